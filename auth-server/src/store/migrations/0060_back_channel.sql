-- Which clients were told of a sign-in and are to hear of its end (OpenID Connect Back-Channel Logout 1.0).
CREATE TABLE session_client (
    sid       TEXT NOT NULL,
    client_id TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    ends_at   INTEGER NOT NULL,              -- whatever came from the sign-in is over by then
    PRIMARY KEY (sid, client_id)
) STRICT;
CREATE INDEX session_client_by_user ON session_client (user_id, ends_at);
CREATE INDEX session_client_by_end ON session_client (ends_at, sid, client_id);

-- Which clients are still to hear of an end that has come. A row is written by the transaction that ends the sign-in, and
-- goes when its client has taken the notification.
CREATE TABLE logout_outbox (
    sid       TEXT NOT NULL,
    client_id TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    queued_at INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    due_at    INTEGER NOT NULL,              -- of the next attempt; while one is under way, when that is taken for lost
    PRIMARY KEY (sid, client_id)
) STRICT;
CREATE INDEX logout_outbox_by_client ON logout_outbox (client_id, due_at, queued_at);
