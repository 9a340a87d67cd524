-- Without what SQLite does for sessions of older versions: none of them ran on PostgreSQL.
ALTER TABLE "user" ADD COLUMN disabled_at INTEGER;
ALTER TABLE sign_in_session ADD COLUMN user_id TEXT;
ALTER TABLE sign_in_session ADD COLUMN auth_time INTEGER;
CREATE INDEX sign_in_session_by_user ON sign_in_session (user_id);
CREATE INDEX authorization_code_by_user ON authorization_code (user_id);
