-- Assertions by which clients proved who they are (private_key_jwt): each counts once.
CREATE TABLE used_assertion (
    digest  BLOB PRIMARY KEY,                -- of the client's id and the `jti`
    ends_at INTEGER NOT NULL                 -- after this it has expired by every node's clock
) STRICT;
CREATE INDEX used_assertion_by_end ON used_assertion (ends_at);
