--[[
judge-1: judges batches of asks, one after the other. Each is judged against the state before it, and commits the asks
that have room unless an enforced one is refused. The twin in TypeScript is src/store/engine/judge.ts;
src/store/engine/codec.ts describes the bytes of a value.

KEYS[i]  key of the i-th ask, over all batches; no key twice in a batch, all in one hash slot
ARGV     number of batches, then for each batch: number of asks, then for each ask, flat, numbers in decimal:
           'w' enforced cost windows, then for each window: limit windowMs
           'r' enforced cost intervalMs burst
           'l' enforced limit id ttlMs
           'g' enforced delayMs retryMs passMs
         enforced is 0 or 1, id has 12 characters
Result   integers, flat: for each batch 1 when committed, else 0; then for each of its asks
           retryAfterMs  0 when it has room, -1 when it never can have
           count         units in use before this ask
           binding       'w' only: index of the window that count is of, from 0

A value of the wrong type, or one that is no state of its ask, counts as none: that forgets a count and refuses nobody.

Written for speed where it shows, being the one thing every RCPT waits for: `+ 0` reads a number three times faster than
tonumber(), struct.pack costs five times a struct.unpack, and SET takes a PX that is a string faster than a number.
]]
local argv, keys, call = ARGV, KEYS, redis.call
local byte, sub, find = string.byte, string.sub, string.find
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
local pack, read = struct.pack, struct.unpack

local SLICES = 60
local WRAP = 281474976710656 -- 2^48
local NEVER = math.huge
local LONGEST_MS = 1e13 -- longer than any use of a key; PX must be an integer that prints as one
local HEADER, ENTRY, HOLDER = 14, 12, 18 -- bytes
local MAX_TAPES = 16
local MOST_PASSES = 4294967295 -- 2^32 - 1

local clock = call('TIME')
local now = clock[1] * 1000 + floor(clock[2] / 1000)

local result, filled = {}, 0
local before = 0 -- how many keys the batches before this one have
local values = {} -- what to write for each ask of the batch; false when it has no room
local lives = {} -- PX of each

-- How many entries of a tape are at or before `edge`.
local function count_gone(raw, start, size, edge)
  local low, high = 0, size
  while low < high do
    local middle = floor((low + high) / 2)
    if read('>I6', raw, start + middle * ENTRY) <= edge then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

-- Time of the first entry from `low` on after whose departure at most `most` units are left.
local function find_room(raw, start, low, size, total, most)
  local high = size - 1
  while low < high do
    local middle = floor((low + high) / 2)
    local rest = total - read('>I6', raw, start + middle * ENTRY + 6)
    if rest < 0 then
      rest = rest + WRAP
    end
    if rest <= most then
      high = middle
    else
      low = middle + 1
    end
  end
  return (read('>I6', raw, start + low * ENTRY))
end

local function in_one_slice(a, b, window_ms)
  local slice_ms = floor(window_ms / SLICES)
  return slice_ms > 0 and floor(a / slice_ms) == floor(b / slice_ms)
end

local function judge_windows(ask, first_arg, raw)
  local cost, windows = argv[first_arg + 2] + 0, argv[first_arg + 3] + 0
  local arg = first_arg + 4
  local length, next_tape = 0, 3
  if raw then
    local tag, tapes = byte(raw, 1, 2)
    if tag ~= 119 or tapes ~= windows or tapes > MAX_TAPES then
      return judge_windows(ask, first_arg, false)
    end
    length = #raw
  end
  local binding, binding_count, fullest, retry_ms = 0, 0, -1, 0
  local expires_at, longest_ms, longest_text = 0, 0, '0'
  local value = 'w' .. string.char(windows)
  for tape = 1, windows do
    local limit, window_ms = argv[arg] + 0, argv[arg + 1] + 0
    local size, total, before, last, start = 0, 0, 0, 0, 0
    local at, gone = now, 0
    if raw then
      if next_tape + HEADER + ENTRY - 1 > length then
        return judge_windows(ask, first_arg, false)
      end
      local stored_ms, oldest
      stored_ms, before, size, oldest = read('>I6I6I2I6', raw, next_tape)
      start = next_tape + HEADER
      next_tape = start + size * ENTRY
      if stored_ms ~= window_ms or size == 0 or next_tape > length + 1 then
        return judge_windows(ask, first_arg, false)
      end
      last, total = read('>I6I6', raw, next_tape - ENTRY)
      if last > now then
        -- The time of a key never runs backwards, unless the clock was put back by more than the window.
        if last - now <= window_ms then
          at = last
        else
          before, size, total = 0, 0, 0
        end
      end
      if size > 0 and oldest <= at - window_ms then
        gone = count_gone(raw, start, size, at - window_ms)
        before = read('>I6', raw, start + gone * ENTRY - 6)
      end
    end
    local count = total - before
    if count < 0 then
      count = count + WRAP
    end

    if count + cost > limit then
      local wait_ms = NEVER
      if cost <= limit then
        local frees_at = find_room(raw, start, gone, size, total, limit - cost)
        wait_ms = max(1, frees_at + window_ms - at) + (at - now)
      end
      if wait_ms > retry_ms then
        retry_ms, binding, binding_count = wait_ms, tape - 1, count
      end
    elseif retry_ms == 0 then
      local fullness = count / limit
      if fullness > fullest then
        binding, binding_count, fullest = tape - 1, count, fullness
      end
      -- The new bytes: what has not left the window, and an entry for this ask, grouped with the last of its slice.
      local kept, entries = size - gone, ''
      if kept == 0 then
        before, total = 0, 0
      elseif last == at or (limit > SLICES and in_one_slice(last, at, window_ms)) then
        kept = kept - 1
      end
      if kept > 0 then
        local from = start + gone * ENTRY
        entries = sub(raw, from, from + kept * ENTRY - 1)
      end
      value = value .. pack('>I6I6I2c0I6I6', window_ms, before, kept + 1, entries, at, (total + cost) % WRAP)
      if window_ms > longest_ms then
        longest_ms, longest_text = window_ms, argv[arg + 1]
      end
      if at + window_ms > expires_at then
        expires_at = at + window_ms
      end
    end
    arg = arg + 2
  end
  if raw and next_tape ~= length + 1 then
    return judge_windows(ask, first_arg, false)
  end
  values[ask] = retry_ms == 0 and value
  lives[ask] = expires_at == now + longest_ms and longest_text or expires_at - now
  result[filled + 1], result[filled + 2], result[filled + 3] = retry_ms, binding_count, binding
  filled = filled + 3
  return retry_ms, arg
end

local function judge_rate(ask, arg, raw)
  local cost, interval_ms, burst = argv[arg + 2] + 0, argv[arg + 3] + 0, argv[arg + 4] + 0
  local depth_ms = burst * interval_ms
  local tat = now
  if raw and #raw == 9 and byte(raw) == 114 then
    local stored = read('>d', raw, 2)
    -- A clock that jumped back further than a full bucket lasts would lock the key out: start anew.
    if stored > now and stored - now <= depth_ms then
      tat = stored
    end
  end
  local wait_ms = tat + cost * interval_ms - depth_ms - now
  local retry_ms = 0
  if wait_ms > 0 then
    retry_ms = cost > burst and NEVER or max(1, ceil(wait_ms))
  end
  local tat_after = tat + cost * interval_ms
  values[ask] = retry_ms == 0 and pack('>c0d', 'r', tat_after)
  lives[ask] = max(1, min(ceil(tat_after) - now, LONGEST_MS))
  result[filled + 1], result[filled + 2] = retry_ms, ceil((tat - now) / interval_ms)
  filled = filled + 2
  return retry_ms, arg + 5
end

-- Where in the bytes of a lease state the holder stands, or nil.
local function find_holder(raw, id)
  local at = find(raw, id, 2, true)
  while at and (at - 2) % HOLDER ~= 0 do
    at = find(raw, id, at + 1, true)
  end
  return at
end

local function judge_lease(ask, arg, raw)
  local limit, id, ttl_ms = argv[arg + 2] + 0, argv[arg + 3], argv[arg + 4] + 0
  if not raw or byte(raw) ~= 108 or (#raw - 1) % HOLDER ~= 0 then
    raw = 'l'
  end
  local own = pack('>c0I6', id, now + ttl_ms)
  local own_at = find_holder(raw, id)
  local count, first_end, last_end, own_kept = 0, NEVER, now + ttl_ms, false
  local live = { 'l' }
  for at = 2, #raw, HOLDER do
    local ends_at = read('>I6', raw, at + HOLDER - 6)
    if ends_at > now and at == own_at then
      own_kept = true
      live[#live + 1] = own
    elseif ends_at > now then
      count, first_end, last_end = count + 1, min(first_end, ends_at), max(last_end, ends_at)
      live[#live + 1] = sub(raw, at, at + HOLDER - 1)
    end
  end
  if not own_kept then
    live[#live + 1] = own
  end
  local retry_ms = 0
  if not own_at and count >= limit then
    retry_ms = max(1, first_end - now)
  end
  values[ask] = retry_ms == 0 and table.concat(live)
  lives[ask] = max(1, last_end - now)
  result[filled + 1], result[filled + 2] = retry_ms, count
  filled = filled + 2
  return retry_ms, arg + 5
end

local function judge_triplet(ask, arg, raw)
  local delay_ms, retry_ms = argv[arg + 2] + 0, argv[arg + 3] + 0
  local first_at, expires_at, passes = now, 0, 0
  if raw and #raw == 17 and byte(raw) == 103 then
    first_at, expires_at, passes = read('>I6I6I4', raw, 2)
  end
  if expires_at <= now or first_at - now > retry_ms then
    -- Whatever becomes of the batch: a client that is deferred for something else has tried all the same.
    first_at, passes = now, 0
    call('SET', keys[before + ask], pack('>c0I6I6I4', 'g', now, now + retry_ms, 0), 'PX', argv[arg + 3])
  end
  local left_ms = passes > 0 and 0 or max(0, delay_ms - max(0, now - first_at))
  local pass_ms = argv[arg + 4]
  local passed = min(MOST_PASSES, passes + 1)
  values[ask] = left_ms == 0 and pack('>c0I6I6I4', 'g', first_at, now + pass_ms, passed)
  lives[ask] = pass_ms
  result[filled + 1], result[filled + 2] = left_ms, passes
  filled = filled + 2
  return left_ms, arg + 5
end

local judges = { w = judge_windows, r = judge_rate, l = judge_lease, g = judge_triplet }
local arg = 2
for _ = 1, argv[1] + 0 do
  local asks, verdict = argv[arg] + 0, filled + 1
  arg = arg + 1
  local raws = call('MGET', unpack(keys, before + 1, before + asks)) -- false for a key of another type
  result[verdict], filled = 1, verdict
  for ask = 1, asks do
    local enforced, answer = argv[arg + 1] == '1', filled + 1
    local retry_ms, next_arg = judges[argv[arg]](ask, arg, raws[ask])
    arg = next_arg
    if retry_ms == NEVER then
      result[answer] = -1
    end
    if enforced and retry_ms > 0 then
      result[verdict] = 0
    end
  end
  if result[verdict] == 1 then
    for ask = 1, asks do
      if values[ask] then
        call('SET', keys[before + ask], values[ask], 'PX', lives[ask])
      end
    end
  end
  before = before + asks
end
return result
