-- What users have allowed clients: one row for each scope at a set of resources (their names, sorted, a line each).
CREATE TABLE consent (
    user_id    TEXT NOT NULL REFERENCES "user" (id) ON DELETE CASCADE,
    client_id  TEXT NOT NULL,
    resources  TEXT NOT NULL,
    scope      TEXT NOT NULL,
    allowed_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, client_id, resources, scope)
) STRICT;
