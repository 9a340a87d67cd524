-- Replaces the sealed part if the session still is at the revision that was read.
-- KEYS: session. ARGV: revision read, next revision, sealed.
-- Answers 1 when stored, 0 when the session has ended, else the session as it is now.
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then
  return 0
end
if rev ~= ARGV[1] then
  return redis.call('HMGET', KEYS[1], 'rev', 'created', 'used', 'ends', 'sealed')
end
redis.call('HSET', KEYS[1], 'rev', ARGV[2], 'sealed', ARGV[3])
return 1
