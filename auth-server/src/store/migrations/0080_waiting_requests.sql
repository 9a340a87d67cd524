-- Pushed requests that no browser opened yet are counted for themselves.
CREATE INDEX pushed_request_waiting_by_client ON pushed_request (client_id, expires_at) WHERE browser IS NULL;
CREATE INDEX pushed_request_waiting_by_network ON pushed_request (network, expires_at) WHERE browser IS NULL;
