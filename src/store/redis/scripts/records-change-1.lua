--[[
records-change-1: puts records and removes records, in order; all of them, or none when there is no room.

KEYS[1]  hash of the records: key -> expiresAt, a space, text
ARGV[1]  most records
ARGV     then for each step: 'p' key expiresAt text, or 'w' key; expiresAt in milliseconds since 1970
Result   { how many live ones were removed by 'w', 1 when there was no room, else 0 }

The hash never expires as a whole, so that no policy for volatile keys takes it. Each step pays for a look at two records
chosen by lot, and what has expired by this server's clock goes; so at most about half of what is kept is dead.
]]
local records, most = KEYS[1], tonumber(ARGV[1])
local steps = {}
local at = 2
while at <= #ARGV do
  if ARGV[at] == 'p' then
    steps[#steps + 1] = { key = ARGV[at + 1], expires_at = ARGV[at + 2], text = ARGV[at + 3] }
    at = at + 4
  else
    steps[#steps + 1] = { key = ARGV[at + 1] }
    at = at + 2
  end
end

local LOOKS_PER_STEP = 2
local LOOKS_WHEN_FULL = 1000

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function is_live(value)
  local expires_at = value and tonumber(string.match(value, '^(%d+) ')) or 0
  return expires_at > now
end

local function sweep(looks)
  local found = redis.call('HRANDFIELD', records, looks, 'WITHVALUES')
  for index = 1, #found, 2 do
    if not is_live(found[index + 1]) then
      redis.call('HDEL', records, found[index])
    end
  end
end

local function has_room()
  local size = redis.call('HLEN', records)
  if size + #steps <= most then
    return true
  end
  local fresh, seen = 0, {}
  for _, step in ipairs(steps) do
    if step.text and not seen[step.key] and redis.call('HEXISTS', records, step.key) == 0 then
      fresh = fresh + 1
    end
    seen[step.key] = true
  end
  return fresh == 0 or size + fresh <= most
end

local kind = redis.call('TYPE', records).ok
if kind ~= 'hash' and kind ~= 'none' then
  redis.call('DEL', records)
end
sweep(LOOKS_PER_STEP * #steps)
if not has_room() then
  sweep(LOOKS_WHEN_FULL)
  if not has_room() then
    return { 0, 1 }
  end
end

local known = 0
for _, step in ipairs(steps) do
  if step.text and tonumber(step.expires_at) > now then
    redis.call('HSET', records, step.key, step.expires_at .. ' ' .. step.text)
  else
    if not step.text and is_live(redis.call('HGET', records, step.key)) then
      known = known + 1
    end
    redis.call('HDEL', records, step.key)
  end
end
return { known, 0 }
