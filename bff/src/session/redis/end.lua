-- Ends a session, whatever its revision. KEYS: session. Answers 1, or 0 when it had ended before.
return redis.call('DEL', KEYS[1])
