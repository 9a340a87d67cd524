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
