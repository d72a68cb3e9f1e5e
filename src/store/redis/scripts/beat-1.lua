--[[
beat-1: says that a process lives, and tells how many do. As a write it also proves that this Redis takes writes.

KEYS[1]  sorted set of process ids by the time of their last beat
ARGV[1]  id of the process
ARGV[2]  ms after which a silent process counts as dead
Result   number of live processes, this one among them
]]
local key, id, dead_after_ms = KEYS[1], ARGV[1], tonumber(ARGV[2])

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local kind = redis.call('TYPE', key).ok
if kind ~= 'zset' and kind ~= 'none' then
  redis.call('DEL', key)
end
redis.call('ZADD', key, now, id)
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - dead_after_ms)
redis.call('PEXPIRE', key, dead_after_ms)
return redis.call('ZCARD', key)
