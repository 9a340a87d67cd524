-- Asks for the right to refresh a session, and marks that its refresh token is about to be sent.
-- KEYS: session. ARGV: revision read, holder, length (milliseconds).
-- Answers nil when the session has ended, {'moved', session…} when it has moved on, {'failed', left, cause} while the
-- provider is not to be asked, {'held', left} while somebody else holds the lease, else {'yours', earlier sendings}.
local LAPSED_GRACE_MS = 1500
local rev = redis.call('HGET', KEYS[1], 'rev')
if not rev then
  return nil
end
if rev ~= ARGV[1] then
  local s = redis.call('HMGET', KEYS[1], 'rev', 'created', 'used', 'ends', 'sealed', 'summary')
  return { 'moved', s[1], s[2], s[3], s[4], s[5], s[6] }
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local noted = redis.call('HMGET', KEYS[1], 'lease', 'lease_until', 'sent', 'sent_rev', 'failed', 'failed_until', 'lapsed')
local failed_until = tonumber(noted[6] or '0')
if failed_until > now then
  return { 'failed', failed_until - now, noted[5] or '' }
end
local held_until = tonumber(noted[2] or '0')
-- A caller whose answer was lost meets its own lease, and that is its own again.
local is_own = noted[1] == ARGV[2]
if held_until > now and not is_own then
  return { 'held', held_until - now }
end
-- A lease that nobody gave back has lapsed. Its holder may be dead; or it has new tokens and could not store them, because
-- this server was away for longer than the lease. So it gets a moment, counted from now, to come with them.
if noted[1] and not is_own and noted[4] == rev and noted[7] ~= noted[1] then
  redis.call('HSET', KEYS[1], 'lapsed', noted[1], 'lease_until', string.format('%.0f', now + LAPSED_GRACE_MS))
  return { 'held', LAPSED_GRACE_MS }
end
local sent = noted[4] == rev and tonumber(noted[3] or '0') or 0
if is_own and sent > 0 then
  sent = sent - 1
end
redis.call('HSET', KEYS[1], 'lease', ARGV[2], 'lease_until', string.format('%.0f', now + tonumber(ARGV[3])),
  'sent', sent + 1, 'sent_rev', rev)
return { 'yours', sent }
