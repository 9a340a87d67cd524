-- Clients beside those of the configuration file.
CREATE TABLE client (
    id          TEXT PRIMARY KEY,
    settings    TEXT NOT NULL,               -- the keys of one [[client]], as TOML
    created_at  INTEGER NOT NULL,
    disabled_at INTEGER                      -- NULL: it may act
) STRICT;

-- Their secrets; several while one takes over from another.
CREATE TABLE client_secret (
    id         TEXT PRIMARY KEY,             -- a random name for operators
    client_id  TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    digest     BLOB NOT NULL,                -- SHA-256
    created_at INTEGER NOT NULL,
    ends_at    INTEGER                       -- NULL: it counts until it is removed
) STRICT;
CREATE INDEX client_secret_by_client ON client_secret (client_id);

-- Counts the changes of the two tables above: nodes read them anew when it has moved.
CREATE TABLE client_version (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    version   INTEGER NOT NULL
) STRICT;
INSERT INTO client_version (singleton, version) VALUES (1, 1);

-- What ends with a client.
CREATE INDEX family_by_client ON family (client_id);
CREATE INDEX authorization_code_by_client ON authorization_code (client_id);
