-- A code of a client that may go without PKCE has no challenge (NULL), and no verifier fits that.
ALTER TABLE authorization_code ADD COLUMN challenge TEXT;
UPDATE authorization_code SET challenge = code_challenge;
ALTER TABLE authorization_code DROP COLUMN code_challenge;
ALTER TABLE authorization_code RENAME COLUMN challenge TO code_challenge;

-- The claims that the authorization request asked for beside its scopes, such as 'id_token.email userinfo.name'.
ALTER TABLE authorization_code ADD COLUMN claims TEXT NOT NULL DEFAULT '';
ALTER TABLE family ADD COLUMN claims TEXT NOT NULL DEFAULT '';

-- Authorization requests that clients pushed (RFC 9126) and no code was issued for yet.
CREATE TABLE pushed_request (
    digest     BLOB PRIMARY KEY,             -- of the random part of the request_uri
    client_id  TEXT NOT NULL,
    network    BLOB,                         -- digest of where a public client pushed it from
    parameters TEXT NOT NULL,                -- form-urlencoded
    browser    BLOB,                         -- digest of the mark of the browser that opened it; NULL: none did yet
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX pushed_request_by_client ON pushed_request (client_id, expires_at);
CREATE INDEX pushed_request_by_network ON pushed_request (network, expires_at);
CREATE INDEX pushed_request_by_expiry ON pushed_request (expires_at, digest);
