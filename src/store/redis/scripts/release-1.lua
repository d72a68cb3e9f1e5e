--[[
release-1: gives leases back. Leases that are not held are left alone.

KEYS[i]  key of the i-th lease; a key may come more than once
ARGV[i]  its id, 12 characters
Result   how many leases were held
]]
local HOLDER = 18 -- bytes: 12 of id, u48 of expiresAt

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- The bytes without the holder, and when the last of the others ends; nil when it holds nothing.
local function without(raw, id)
  local kept, last_end, found = { 'l' }, 0, false
  for at = 2, #raw, HOLDER do
    if not found and string.sub(raw, at, at + HOLDER - 7) == id then
      found = true
    else
      kept[#kept + 1] = string.sub(raw, at, at + HOLDER - 1)
      last_end = math.max(last_end, (struct.unpack('>I6', raw, at + HOLDER - 6)))
    end
  end
  if found then
    return table.concat(kept), last_end
  end
end

local released = 0
for index, key in ipairs(KEYS) do
  local raw = redis.call('MGET', key)[1] -- unlike GET no error for a key of another type
  if raw and string.byte(raw) == 108 and (#raw - 1) % HOLDER == 0 then
    local value, last_end = without(raw, ARGV[index])
    if value then
      released = released + 1
      if last_end > now then
        redis.call('SET', key, value, 'PX', last_end - now)
      else
        redis.call('DEL', key)
      end
    end
  end
end
return released
