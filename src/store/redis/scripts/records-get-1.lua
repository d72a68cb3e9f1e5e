--[[
records-get-1: looks records up.

KEYS[1]  hash of the records: key -> expiresAt, a space, text
ARGV     keys
Result   for each key its value, or false when there is none or it has expired by this server's clock
]]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local values = redis.call('HMGET', KEYS[1], unpack(ARGV))
for at = 1, #ARGV do
  local expires_at = values[at] and tonumber(string.match(values[at], '^(%d+) '))
  if not expires_at or expires_at <= now then
    values[at] = false
  end
end
return values
