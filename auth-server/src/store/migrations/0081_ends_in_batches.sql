-- What may still end, without what has: it is found some rows at a time, each time from the beginning.
DROP INDEX family_by_sid;
CREATE INDEX family_by_sid ON family (sid) WHERE ended_at IS NULL;
DROP INDEX family_by_client;
CREATE INDEX family_by_client ON family (client_id, sid) WHERE ended_at IS NULL;
DROP INDEX authorization_code_by_sid;
CREATE INDEX authorization_code_by_sid ON authorization_code (sid) WHERE used_at IS NULL;
DROP INDEX authorization_code_by_client;
CREATE INDEX authorization_code_by_client ON authorization_code (client_id, sid) WHERE used_at IS NULL;

-- What goes with a client.
CREATE INDEX consent_by_client ON consent (client_id);
CREATE INDEX session_client_by_client ON session_client (client_id);
