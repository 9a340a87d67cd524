-- Has an index lead to a session. KEYS: index. ARGV: session, ends, now (seconds).
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
if redis.call('EXPIREAT', KEYS[1], ARGV[2], 'NX') == 0 then
  redis.call('EXPIREAT', KEYS[1], ARGV[2], 'GT')
end
return 1
