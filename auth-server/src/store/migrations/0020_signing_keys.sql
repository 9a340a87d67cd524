-- The keys that sign tokens, each sealed under the root key of the key file. Their phases follow from the instants.
CREATE TABLE signing_key (
    kid          TEXT PRIMARY KEY,           -- the RFC 7638 thumbprint
    algorithm    TEXT NOT NULL,              -- ES256, EdDSA, RS256
    sealed       BLOB NOT NULL,              -- PKCS#8; once retired the JWK alone; once withdrawn nothing
    announced_at INTEGER NOT NULL,
    active_at    INTEGER,
    retired_at   INTEGER,
    withdrawn_at INTEGER
) STRICT;

-- Whatever nodes do at the same time: one key of an algorithm signs, and one is announced to be the next.
CREATE UNIQUE INDEX signing_key_active ON signing_key (algorithm)
    WHERE active_at IS NOT NULL AND retired_at IS NULL AND withdrawn_at IS NULL;
CREATE UNIQUE INDEX signing_key_announced ON signing_key (algorithm)
    WHERE active_at IS NULL AND withdrawn_at IS NULL;
