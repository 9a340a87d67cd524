-- Replaces the sealed part if the session still is at the revision that was read, and says so to every node. What was
-- noted of the refresh at that revision (lease, mark, failure) is over with it.
-- KEYS: session. ARGV: revision read, next revision, sealed, channel, session's name.
-- Answers 1 when stored, 0 when the session has ended, else the session as it is now.
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then
  return 0
end
if rev ~= ARGV[1] then
  return redis.call('HMGET', KEYS[1], 'rev', 'created', 'used', 'ends', 'sealed', 'summary')
end
redis.call('HSET', KEYS[1], 'rev', ARGV[2], 'sealed', ARGV[3])
redis.call('HDEL', KEYS[1], 'lease', 'lease_until', 'lapsed', 'sent', 'sent_rev', 'failed', 'failed_until')
redis.call('PUBLISH', ARGV[4], 'replaced ' .. ARGV[5] .. ' ' .. ARGV[2])
return 1
