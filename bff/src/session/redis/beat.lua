#!lua
-- Lets a node hear whether what happens here is told to it, and which era this server is in.
-- ARGV: the node's channel, the beat's number, what the names of era keys begin with.
-- The first line makes this count as a write, although usually nothing is written: a replica and a master that has lost
-- its replicas (min-replicas-to-write) refuse it, so that nobody takes a server for the master that is none any more.
--
-- An era begins when a server holds nothing: its name is lost together with all sessions, by FLUSHALL or a restart from an
-- old snapshot, of which no server tells anybody. In a cluster each server keeps its own in the first of some numbered
-- places whose slot it serves. That key is not declared: a declared one would lead the beat to whoever serves its slot,
-- and it is for this server. A place of somebody else answers with an error, as a table.
for place = 0, 511 do
  local at = ARGV[3] .. ':{' .. place .. '}'
  local era = redis.pcall('GET', at)
  if type(era) ~= 'table' then
    if not era then
      era = ARGV[1] .. ':' .. ARGV[2]
      redis.call('SET', at, era)
    end
    return redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' ' .. place .. ' ' .. era)
  end
end
return redis.call('PUBLISH', ARGV[1], ARGV[2])
