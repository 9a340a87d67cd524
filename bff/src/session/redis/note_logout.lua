-- Notes that the provider signed somebody out; the latest instant counts. KEYS: note. ARGV: at, until (seconds).
local noted = redis.call('GET', KEYS[1])
if not noted or tonumber(noted) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1], 'EXAT', ARGV[2])
end
return 1
