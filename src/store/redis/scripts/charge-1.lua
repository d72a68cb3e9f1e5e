--[[
charge-1: adds units that were admitted elsewhere while this Redis was out of reach. Nothing is judged or refused.

KEYS[i]  key of the i-th charge, all in one hash slot
ARGV     for each charge in the order of KEYS, flat, numbers in decimal:
           'w' windows, then for each window: limit windowMs
               entries, then for each entry, oldest first: agoMs units
           'r' depthMs debtMs
           'a' depthMs debtMs startsInMs
               a slot is reserved that begins then
Result   how many keys were charged

A unit of a window bears the time it was admitted at, or that of the key's newest entry when that is later: tapes stay
in order, and no unit is counted too short. What has left a window already is not added to it. A bucket of depthMs
(burst × intervalMs) is emptied by another debtMs; beyond a slot that is reserved nothing begins sooner.
]]
local SLICES = 60
local WRAP = 281474976710656 -- 2^48
local LONGEST_MS = 1e13 -- longer than any use of a key; PX must be an integer that prints as one
local HEADER, ENTRY = 14, 12 -- bytes
local MAX_TAPES = 16
local MAX_AHEAD_MS = 3600000
-- See judge-1.
local ROUNDING_MS = 1

local floor, max = math.floor, math.max
local clock = redis.call('TIME')
local now = clock[1] * 1000 + floor(clock[2] / 1000)

-- Tapes `{ window_ms, base, { time, total, … } }` for just these windows; empty ones when the bytes hold others.
local function read_tapes(raw, windows)
  local tapes, fresh = {}, {}
  for index, window in ipairs(windows) do
    fresh[index] = { window_ms = window.window_ms, base = 0, entries = {} }
  end
  if not raw or string.byte(raw, 1) ~= 119 or string.byte(raw, 2) ~= #windows or #windows > MAX_TAPES then
    return fresh
  end
  local at = 3
  for index, window in ipairs(windows) do
    if at + HEADER - 1 > #raw then
      return fresh
    end
    local window_ms, base, size = struct.unpack('>I6I6I2', raw, at)
    at = at + HEADER
    if window_ms ~= window.window_ms or at + size * ENTRY - 1 > #raw then
      return fresh
    end
    local entries = {}
    for number = 1, size * 2 do
      entries[number] = struct.unpack('>I6', raw, at)
      at = at + 6
    end
    tapes[index] = { window_ms = window_ms, base = base, entries = entries }
  end
  return at == #raw + 1 and tapes or fresh
end

local function append(tape, limit, at, units)
  local entries = tape.entries
  local size = #entries
  local slice_ms = floor(tape.window_ms / SLICES)
  local total = ((entries[size] or tape.base) + units) % WRAP
  local last = entries[size - 1]
  local grouped = last and limit > SLICES and slice_ms > 0 and floor(last / slice_ms) == floor(at / slice_ms)
  if last and (grouped or last == at) then
    entries[size - 1], entries[size] = at, total
  else
    entries[size + 1], entries[size + 2] = at, total
  end
end

-- The entries that are still in the window as bytes, nil when there are none.
local function write_tape(tape)
  local entries, base = tape.entries, tape.base
  local edge = max(now, entries[#entries - 1] or 0) - tape.window_ms
  local from = 1
  while entries[from] and entries[from] <= edge do
    base, from = entries[from + 1], from + 2
  end
  local parts = { struct.pack('>I6I6I2', tape.window_ms, base, (#entries - from + 1) / 2) }
  for index = from, #entries do
    parts[#parts + 1] = struct.pack('>I6', entries[index])
  end
  return from <= #entries and table.concat(parts)
end

local function charge_windows(key, arg)
  local windows, value, expires_at = {}, {}, 0
  local count = tonumber(ARGV[arg + 1])
  arg = arg + 2
  for index = 1, count do
    windows[index] = { limit = tonumber(ARGV[arg]), window_ms = tonumber(ARGV[arg + 1]) }
    arg = arg + 2
  end
  local last_arg = arg + 2 * tonumber(ARGV[arg])
  local tapes = read_tapes(redis.call('MGET', key)[1], windows)
  for index, tape in ipairs(tapes) do
    local last = tape.entries[#tape.entries - 1]
    if last and last - now > tape.window_ms then
      -- The clock was put back by more than the window: as in a judgement the tape starts anew.
      tape.base, tape.entries, last = 0, {}, nil
    end
    for entry = arg + 1, last_arg, 2 do
      local ago_ms = tonumber(ARGV[entry])
      if ago_ms < tape.window_ms then
        last = max(now - ago_ms, last or 0)
        append(tape, windows[index].limit, last, tonumber(ARGV[entry + 1]))
      end
    end
    expires_at = max(expires_at, (last or 0) + tape.window_ms)
    -- A tape without an entry would be no state to judge-1: one of no units stands in.
    value[index] = write_tape(tape) or struct.pack('>I6I6I2I6I6', tape.window_ms, 0, 1, now, 0)
  end
  if expires_at > now then
    redis.call('SET', key, 'w' .. string.char(count) .. table.concat(value), 'PX', expires_at - now)
  end
  return last_arg + 1
end

-- The time of a bucket, and whether a slot of it was reserved; see judge-1.
local function read_rate(raw, depth_ms)
  local reserved = raw and #raw == 15 and string.byte(raw) == 97
  if not reserved and not (raw and #raw == 9 and string.byte(raw) == 114) then
    return now, false
  end
  local tat = struct.unpack('>d', raw, 2)
  if not (tat >= 0 and tat < math.huge) then
    return now, false
  elseif not reserved then
    return tat - now <= depth_ms + ROUNDING_MS and max(tat, now) or now, false
  end
  local written_at = struct.unpack('>I6', raw, 10)
  if written_at > now then
    tat = now + max(0, tat - written_at)
  end
  return tat - now <= 2 * depth_ms + MAX_AHEAD_MS + ROUNDING_MS and max(tat, now) or now, true
end

local function charge_rate(key, arg)
  local depth_ms, debt_ms = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  local starts_in_ms = ARGV[arg] == 'a' and tonumber(ARGV[arg + 3])
  local tat, reserved = read_rate(redis.call('MGET', key)[1], depth_ms)
  -- Never beyond an empty bucket, but for what is reserved: a judgement takes that for a clock that jumped back.
  tat = max(tat, math.min(tat + debt_ms, now + depth_ms))
  if starts_in_ms then
    tat, reserved = max(tat, now + starts_in_ms + depth_ms), true
  end
  if tat > now then
    local value = reserved and struct.pack('>c0dI6', 'a', tat, now) or struct.pack('>c0d', 'r', tat)
    redis.call('SET', key, value, 'PX', max(1, math.min(math.ceil(tat) - now, LONGEST_MS)))
  end
  return arg + (starts_in_ms and 4 or 3)
end

local arg = 1
for _, key in ipairs(KEYS) do
  if ARGV[arg] == 'w' then
    arg = charge_windows(key, arg)
  else
    arg = charge_rate(key, arg)
  end
end
return #KEYS
