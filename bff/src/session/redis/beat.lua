#!lua
-- Lets a node hear whether what happens here is told to it. ARGV: the node's channel, the beat's number.
-- The first line makes this count as a write, although nothing is written: a replica and a master that has lost its
-- replicas (min-replicas-to-write) refuse it, so that nobody takes a server for the master that is none any more.
return redis.call('PUBLISH', ARGV[1], ARGV[2])
