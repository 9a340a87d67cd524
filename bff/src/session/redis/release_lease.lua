-- Gives a lease back without new tokens and wakes those who wait. KEYS: session.
-- ARGV: holder, whether the provider answered (1, 0), for how long nobody is to ask it again (milliseconds), why,
-- channel, session's name. Answers 1, or 0 when it was not the caller's any more, and then nothing changes.
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then
  return 0
end
redis.call('HDEL', KEYS[1], 'lease', 'lease_until', 'lapsed')
if ARGV[2] == '1' then
  redis.call('HDEL', KEYS[1], 'sent', 'sent_rev')
end
if tonumber(ARGV[3]) > 0 then
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  redis.call('HSET', KEYS[1], 'failed', ARGV[4], 'failed_until', string.format('%.0f', now + tonumber(ARGV[3])))
end
redis.call('PUBLISH', ARGV[5], 'released ' .. ARGV[6])
return 1
