-- Instants are seconds since 1970. Secrets (codes, refresh tokens, cookie keys) are kept as SHA-256 digests only.

CREATE TABLE user (
    id            TEXT PRIMARY KEY,          -- the `sub` of tokens: random, never reused
    name          TEXT NOT NULL UNIQUE,      -- in the one spelling that UserName allows
    password_hash TEXT NOT NULL,             -- PHC string, Argon2id
    email         TEXT,
    full_name     TEXT,
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE sign_in_session (
    key_digest    BLOB PRIMARY KEY,
    sid           TEXT,
    state         TEXT NOT NULL,             -- JSON
    idle_ends     INTEGER NOT NULL,          -- the end: never after the absolute one, which is its limit
    absolute_ends INTEGER NOT NULL,
    CHECK (idle_ends <= absolute_ends)
) STRICT;
CREATE INDEX sign_in_session_by_idle_end ON sign_in_session (idle_ends);
CREATE INDEX sign_in_session_by_sid ON sign_in_session (sid);

-- Everything that was made from one code: one row to rotate, revoke or end.
CREATE TABLE family (
    id               BLOB PRIMARY KEY,
    handle           BLOB NOT NULL UNIQUE,   -- what access tokens carry of it; a digest of the id
    client_id        TEXT NOT NULL,
    user_id          TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    sid              TEXT NOT NULL,
    scope            TEXT NOT NULL,
    auth_time        INTEGER NOT NULL,
    generation       INTEGER NOT NULL,
    current_digest   BLOB,                   -- NULL: no refresh token was issued
    previous_digest  BLOB,
    sealed_successor BLOB,                   -- the current token, under a key derived from the previous one
    rotated_at       INTEGER,
    idle_ends        INTEGER NOT NULL,       -- as above, and not after ended_at either
    absolute_ends    INTEGER NOT NULL,
    ended_at         INTEGER,
    end_reason       TEXT,
    CHECK (idle_ends <= min(absolute_ends, coalesce(ended_at, absolute_ends)))
) STRICT;
CREATE INDEX family_by_sid ON family (sid);
CREATE INDEX family_by_user ON family (user_id);
CREATE INDEX family_by_idle_end ON family (idle_ends);

CREATE TABLE authorization_code (
    digest         BLOB PRIMARY KEY,
    client_id      TEXT NOT NULL,
    redirect_uri   TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    user_id        TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    sid            TEXT NOT NULL,
    scope          TEXT NOT NULL,
    nonce          TEXT,
    auth_time      INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    used_at        INTEGER,
    family_id      BLOB                      -- the family made from it, ended when the code comes a second time
) STRICT;
CREATE INDEX authorization_code_by_sid ON authorization_code (sid);
CREATE INDEX authorization_code_by_expiry ON authorization_code (expires_at);

-- Counts of wrong passwords, per account and per address.
CREATE TABLE sign_in_attempt (
    bucket      BLOB PRIMARY KEY,            -- digest of what is counted
    failures    INTEGER NOT NULL,
    window_ends INTEGER NOT NULL
) STRICT;
CREATE INDEX sign_in_attempt_by_window_end ON sign_in_attempt (window_ends);
