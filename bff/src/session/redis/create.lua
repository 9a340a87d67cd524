-- Stores a new session. KEYS: session. ARGV: rev, created, used, ends, sealed, summary, user index, provider index,
-- garbage from (seconds).
-- Answers 1, or 0 when the key is taken. A caller whose answer was lost meets what it stored itself, and that is 1 too.
local sealed = redis.call('HGET', KEYS[1], 'sealed')
if sealed then
  return sealed == ARGV[5] and 1 or 0
end
redis.call('HSET', KEYS[1], 'rev', ARGV[1], 'created', ARGV[2], 'used', ARGV[3], 'ends', ARGV[4], 'sealed', ARGV[5],
  'summary', ARGV[6], 'user', ARGV[7], 'provider', ARGV[8])
redis.call('EXPIREAT', KEYS[1], ARGV[9])
return 1
