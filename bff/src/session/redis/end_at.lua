-- Ends a session only if it still is at the revision that was read. KEYS: session. ARGV: revision read.
-- Answers 1 when it ended now, 0 when it had ended before, else the session as it is now.
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then
  return 0
end
if rev ~= ARGV[1] then
  return redis.call('HMGET', KEYS[1], 'rev', 'created', 'used', 'ends', 'sealed')
end
redis.call('DEL', KEYS[1])
return 1
