-- A user who is disabled cannot act until enabled again; NULL: they can.
ALTER TABLE user ADD COLUMN disabled_at INTEGER;

-- Whose session it is and when the password was typed, which so far only stood in `state`.
ALTER TABLE sign_in_session ADD COLUMN user_id TEXT;
ALTER TABLE sign_in_session ADD COLUMN auth_time INTEGER;
UPDATE sign_in_session
    SET user_id = json_extract(json_extract(state, '$.signed_in'), '$.user_id'),
        auth_time = json_extract(json_extract(state, '$.signed_in'), '$.auth_time')
    WHERE sid IS NOT NULL;
CREATE INDEX sign_in_session_by_user ON sign_in_session (user_id);

-- A node of the version before, that still runs beside newer ones, writes `state` alone.
CREATE TRIGGER sign_in_session_begun_elsewhere AFTER INSERT ON sign_in_session
    WHEN NEW.user_id IS NULL AND NEW.sid IS NOT NULL
BEGIN
    UPDATE sign_in_session
        SET user_id = json_extract(json_extract(NEW.state, '$.signed_in'), '$.user_id'),
            auth_time = json_extract(json_extract(NEW.state, '$.signed_in'), '$.auth_time')
        WHERE key_digest = NEW.key_digest;
END;
CREATE TRIGGER sign_in_session_changed_elsewhere AFTER UPDATE OF state ON sign_in_session
    WHEN NEW.user_id IS OLD.user_id AND NEW.sid IS NOT NULL
BEGIN
    UPDATE sign_in_session
        SET user_id = json_extract(json_extract(NEW.state, '$.signed_in'), '$.user_id'),
            auth_time = json_extract(json_extract(NEW.state, '$.signed_in'), '$.auth_time')
        WHERE key_digest = NEW.key_digest;
END;

-- Whose codes end with a user.
CREATE INDEX authorization_code_by_user ON authorization_code (user_id);
