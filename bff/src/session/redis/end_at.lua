-- Ends a session only if it still is at the revision that was read, and says so to every node.
-- KEYS: session. ARGV: revision read, channel, session's name.
-- Answers with the indexes that lead to it when it ended now, nil when it had ended before, else the session as it is.
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then
  return nil
end
if rev ~= ARGV[1] then
  return redis.call('HMGET', KEYS[1], 'rev', 'created', 'used', 'ends', 'sealed', 'summary')
end
local indexes = redis.call('HMGET', KEYS[1], 'user', 'provider')
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], 'ended ' .. ARGV[3])
return { indexes[1] or '', indexes[2] or '' }
