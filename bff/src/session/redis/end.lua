-- Ends a session, whatever its revision, and says so to every node. KEYS: session. ARGV: channel, session's name.
-- Answers with the indexes that lead to it, or nil when it had ended before.
local indexes = redis.call('HMGET', KEYS[1], 'user', 'provider')
if redis.call('DEL', KEYS[1]) == 0 then
  return nil
end
redis.call('PUBLISH', ARGV[1], 'ended ' .. ARGV[2])
return { indexes[1] or '', indexes[2] or '' }
