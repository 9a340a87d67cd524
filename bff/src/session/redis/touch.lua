-- Writes down a use; the instant never moves backwards. KEYS: session. ARGV: last used, garbage from (seconds).
-- Answers 1, or 0 when the session has ended.
local used = redis.call('HGET', KEYS[1], 'used')
if not used then
  return 0
end
if tonumber(used) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'used', ARGV[1])
  redis.call('EXPIREAT', KEYS[1], ARGV[2])
end
return 1
