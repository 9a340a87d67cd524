-- Holds a lease for longer. KEYS: session. ARGV: holder, length (milliseconds).
-- Answers 1, or 0 when it is not the caller's any more.
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then
  return 0
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', KEYS[1], 'lease_until', string.format('%.0f', now + tonumber(ARGV[2])))
return 1
