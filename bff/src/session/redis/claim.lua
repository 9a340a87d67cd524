-- Claims something that may happen once. KEYS: mark. ARGV: a random text of this call, until (seconds).
-- Answers 1 to the first caller, 0 to others. A caller whose answer was lost finds its own text, and that is 1 too.
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EXAT', ARGV[2]) then
  return 1
end
return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0
