--[[
renew-1: prolongs leases; one that has ended is taken again, whatever its limit says.

KEYS[i]    key of the i-th lease; a key may come more than once
ARGV[1]    ttlMs
ARGV[1+i]  id of the i-th lease, 12 characters
Result     how many leases were renewed
]]
local HOLDER = 18 -- bytes: 12 of id, u48 of expiresAt

local ttl_ms = tonumber(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

for index, key in ipairs(KEYS) do
  local id = ARGV[1 + index]
  local raw = redis.call('MGET', key)[1] -- unlike GET no error for a key of another type
  if not raw or string.byte(raw) ~= 108 or (#raw - 1) % HOLDER ~= 0 then
    raw = 'l'
  end
  local live, last_end, held = { 'l' }, now + ttl_ms, false
  for at = 2, #raw, HOLDER do
    local ends_at = struct.unpack('>I6', raw, at + HOLDER - 6)
    if ends_at > now then
      if not held and string.sub(raw, at, at + HOLDER - 7) == id then
        held = true
        live[#live + 1] = struct.pack('>c0I6', id, now + ttl_ms)
      else
        last_end = math.max(last_end, ends_at)
        live[#live + 1] = string.sub(raw, at, at + HOLDER - 1)
      end
    end
  end
  if not held then
    live[#live + 1] = struct.pack('>c0I6', id, now + ttl_ms)
  end
  redis.call('SET', key, table.concat(live), 'PX', math.max(1, last_end - now))
end
return #KEYS
