--[[
board-1: posts entries on the board and takes entries off, in order, and tells every process that listens.

KEYS[1]  hash of the entries: key -> expiresAt, a space, text
KEYS[2]  sorted set of their keys by expiresAt
KEYS[3]  number of the latest change
ARGV[1]  channel on which changes are published
ARGV[2]  name of this call
ARGV[3]  most entries
ARGV     then for each step: 'p' key expiresAt text, or 'w' key; expiresAt in milliseconds since 1970
Result   { how many entries were taken off that were there, 1 when a message was published, else 0 }

Message  number of the change, a space, name of the call, a space, and a JSON list of strings, flat:
         'p' key expiresAt text, or 'w' key; a key that made room for others is taken off

What has expired by this server's clock is not put up, but takes the place of the same key. Hash and sorted set change
together; when one of them was evicted or is of another type, the other is of no use and goes too.
]]
local entries, expiries, number = KEYS[1], KEYS[2], KEYS[3]
local channel, name, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local steps = {}
local at = 4
while at <= #ARGV do
  if ARGV[at] == 'p' then
    steps[#steps + 1] = { key = ARGV[at + 1], expires_at = ARGV[at + 2], text = ARGV[at + 3] }
    at = at + 4
  else
    steps[#steps + 1] = { key = ARGV[at + 1] }
    at = at + 2
  end
end

local LOT = 500 -- keys removed by one command
local DAY_MS = 86400000
local LONGEST_MS = 1e13 -- longer than any use of an entry

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function drop_unless(key, wanted)
  local kind = redis.call('TYPE', key).ok
  if kind ~= wanted and kind ~= 'none' then
    redis.call('DEL', key)
  end
end

local function remove(keys)
  if #keys > 0 then
    redis.call('HDEL', entries, unpack(keys))
    redis.call('ZREM', expiries, unpack(keys))
  end
end

local known, message = 0, {}

local function say(...)
  for _, word in ipairs({ ... }) do
    message[#message + 1] = word
  end
end

local function take(step)
  local score = redis.call('ZSCORE', expiries, step.key)
  if step.text and tonumber(step.expires_at) > now then
    redis.call('HSET', entries, step.key, step.expires_at .. ' ' .. step.text)
    redis.call('ZADD', expiries, step.expires_at, step.key)
    say('p', step.key, step.expires_at, step.text)
  elseif score then
    remove({ step.key })
    if tonumber(score) > now then
      known = known + 1
      say('w', step.key)
    end
  end
end

local function make_room()
  local excess = redis.call('ZCARD', expiries) - most
  while excess > 0 do
    local soonest = redis.call('ZRANGE', expiries, 0, math.min(excess, LOT) - 1)
    remove(soonest)
    for _, key in ipairs(soonest) do
      say('w', key)
    end
    excess = excess - #soonest
  end
end

local function expire_with_last()
  local last = redis.call('ZREVRANGE', expiries, 0, 0, 'WITHSCORES')[2]
  local ends_at = last and math.min(tonumber(last), now + LONGEST_MS) or now
  redis.call('PEXPIREAT', entries, string.format('%.0f', ends_at))
  redis.call('PEXPIREAT', expiries, string.format('%.0f', ends_at))
  -- Longer than any entry by every clock: a number that starts anew means that entries were lost.
  redis.call('PEXPIREAT', number, string.format('%.0f', ends_at + DAY_MS))
end

drop_unless(entries, 'hash')
drop_unless(expiries, 'zset')
drop_unless(number, 'string')
if redis.call('HLEN', entries) ~= redis.call('ZCARD', expiries) then
  redis.call('DEL', entries, expiries)
end
remove(redis.call('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, LOT))
for _, step in ipairs(steps) do
  take(step)
end
make_room()
if #message == 0 then
  return { known, 0 }
end
local change = string.format('%.0f', redis.call('INCR', number))
expire_with_last()
redis.call('PUBLISH', channel, change .. ' ' .. name .. ' ' .. cjson.encode(message))
return { known, 1 }
