--[[
judge-1: judges batches of asks, one after the other. Each is judged against the state before it, and commits the asks
that have room unless an enforced one is refused. The twin in TypeScript is src/store/engine/judge.ts;
src/store/engine/codec.ts describes the bytes of a value.

KEYS[i]  key of the i-th ask, over all batches; no key twice in a batch, all in one hash slot
ARGV     number of batches, then for each batch: number of asks, then for each ask, flat, numbers in decimal:
           'w' enforced cost windows, then for each window: limit windowMs
           'r' enforced cost intervalMs burst
           'a' enforced cost intervalMs burst aheadMs
               the same, as a reservation
           'l' enforced limit id ttlMs
           'g' enforced delayMs retryMs passMs
           'm' 0 leastSamples leastMean halfLifeMs most apartMs keepMs sample
               means and samples in ten-thousandths, most in thousandths; an empty sample: there is none
           'd' enforced bit most windowMs
               bit of the value, from 0; most: set bits that the limit allows
         or, for one that earlier merits of its batch may excuse, before all that
           'x' enforced length merits, then the index of each merit in the batch, from 0
               length of what follows
         enforced is 0 or 1, id has 12 characters
Result   integers, flat: for each batch 1 when committed, else 0; then for each of its asks
           retryAfterMs  0 when it has room, -1 when it never can have; of 'm' 0 when it is ok, else 1;
                         -2 - index when that merit has excused it
           count         units in use before this ask; of 'm' whole samples; of 'd' set bits
           more          'w': index of the window that count is of, from 0; 'm': the mean; 'a': startsInMs;
                         the others: nothing

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
local MEAN_UNITS, SAMPLE_UNITS = 10000, 1000
local BITS = 1024
local MAX_AHEAD_MS = 3600000

local clock = call('TIME')
local now = clock[1] * 1000 + floor(clock[2] / 1000)

local result, filled = {}, 0
local before = 0 -- how many keys the batches before this one have
local values = {} -- what to write for each ask of the batch; false when it has no room
local lives = {} -- PX of each
local merits = {} -- whether each merit of the batch is ok
local left_after -- of judge_merit; made when it is needed

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
    local size, total, base, last, start = 0, 0, 0, 0, 0
    local at, gone = now, 0
    if raw then
      if next_tape + HEADER + ENTRY - 1 > length then
        return judge_windows(ask, first_arg, false)
      end
      local stored_ms, oldest
      stored_ms, base, size, oldest = read('>I6I6I2I6', raw, next_tape)
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
          base, size, total = 0, 0, 0
        end
      end
      if size > 0 and oldest <= at - window_ms then
        gone = count_gone(raw, start, size, at - window_ms)
        base = read('>I6', raw, start + gone * ENTRY - 6)
      end
    end
    local count = total - base
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
        base, total = 0, 0
      elseif last == at or (limit > SLICES and in_one_slice(last, at, window_ms)) then
        kept = kept - 1
      end
      if kept > 0 then
        local from = start + gone * ENTRY
        entries = sub(raw, from, from + kept * ENTRY - 1)
      end
      value = value .. pack('>I6I6I2c0I6I6', window_ms, base, kept + 1, entries, at, (total + cost) % WRAP)
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

-- The time of a bucket of which a slot was reserved, nil when the bytes are of none. A clock that was put back is followed:
-- what is reserved lies as far ahead of the new time as it did of the old.
local function read_reserved(ask, raw, depth_ms)
  local tat, written_at = read('>dI6', raw, 2)
  if not (tat >= 0 and tat < NEVER) then
    return nil
  end
  local longest_ms = 2 * depth_ms + MAX_AHEAD_MS
  if written_at > now then
    local lead_ms = max(0, tat - written_at)
    tat = lead_ms > longest_ms and now or now + lead_ms
    -- Even if nothing is taken: else it would stand still until the clock is where it was.
    call('SET', keys[before + ask], pack('>c0dI6', 'r', tat, now), 'PX', max(1, min(ceil(tat) - now, LONGEST_MS)))
  end
  return tat - now > longest_ms and now or max(tat, now)
end

local function judge_rate(ask, arg, raw, ahead_ms)
  local cost, interval_ms, burst = argv[arg + 2] + 0, argv[arg + 3] + 0, argv[arg + 4] + 0
  local depth_ms = burst * interval_ms
  local tat, reserved = now, nil
  if raw and #raw == 15 and byte(raw) == 114 then
    reserved = read_reserved(ask, raw, depth_ms)
    tat = reserved or now
  elseif raw and #raw == 9 and byte(raw) == 114 then
    local stored = read('>d', raw, 2)
    -- A clock that jumped back further than a full bucket lasts would lock the key out: start anew.
    if stored > now and stored - now <= depth_ms then
      tat = stored
    end
  end
  local wait_ms = tat + cost * interval_ms - depth_ms - now
  local retry_ms = 0
  if wait_ms > 0 and cost > burst then
    retry_ms = NEVER
  elseif wait_ms > (ahead_ms or 0) then
    retry_ms = max(1, ceil(wait_ms - (ahead_ms or 0)))
  end
  local tat_after = tat + cost * interval_ms
  if retry_ms > 0 then
    values[ask] = false
  elseif ahead_ms or reserved then
    values[ask] = pack('>c0dI6', 'r', tat_after, now)
  else
    values[ask] = pack('>c0d', 'r', tat_after)
  end
  lives[ask] = max(1, min(ceil(tat_after) - now, LONGEST_MS))
  result[filled + 1], result[filled + 2] = retry_ms, ceil((tat - now) / interval_ms)
  filled = filled + 2
  if ahead_ms then
    result[filled + 1], filled = max(0, ceil(wait_ms)), filled + 1
  end
  return retry_ms, arg + 5
end

local function judge_reservation(ask, arg, raw)
  local retry_ms, next_arg = judge_rate(ask, arg, raw, argv[arg + 5] + 0)
  return retry_ms, next_arg + 1
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

-- Thousandths of a sample that are left of those of `last_at`.
local function samples_left(samples, last_at, half_life_ms)
  if half_life_ms == 0 or samples == 0 then
    return samples
  end
  local steps = floor(now * 16 / half_life_ms) - floor(last_at * 16 / half_life_ms)
  if steps <= 0 then
    return samples
  elseif steps >= 320 then
    return 0
  end
  left_after = left_after or {
    65536, 62757, 60097, 57549, 55109, 52773, 50535, 48393,
    46341, 44376, 42495, 40693, 38968, 37316, 35734, 34219,
  }
  return floor(math.ldexp(samples * left_after[steps % 16 + 1], -16 - floor(steps / 16)))
end

local function judge_merit(ask, arg, raw)
  local half_life_ms, most, apart_ms = argv[arg + 4] + 0, argv[arg + 5] + 0, argv[arg + 6] + 0
  local keep_ms, sample = argv[arg + 7] + 0, argv[arg + 8]
  local samples, mean, last_at = 0, 0, -NEVER
  if raw and #raw == 25 and byte(raw) == 109 then
    local held, shifted, held_at, expires_at = read('>I4I2I6I6', raw, 2)
    -- One that was forgotten, or that a clock far ahead has made, begins anew.
    if shifted <= 2 * MEAN_UNITS and expires_at > now and held_at - now <= keep_ms then
      samples, mean, last_at = samples_left(held, held_at, half_life_ms), shifted - MEAN_UNITS, held_at
    end
  end
  if samples == 0 then
    mean = 0
  end
  values[ask] = false
  if sample ~= '' and math.abs(now - last_at) >= apart_ms then
    local after = min(samples + SAMPLE_UNITS, most)
    local sum = mean * (after - SAMPLE_UNITS) + sample * SAMPLE_UNITS
    local shifted = floor(sum / after + 0.5) + MEAN_UNITS
    values[ask] = pack('>c0I4I2I6I6I6', 'm', after, shifted, now, now + keep_ms, half_life_ms)
    lives[ask] = argv[arg + 7]
  end
  local count = floor(samples / SAMPLE_UNITS)
  local is_ok = count >= argv[arg + 2] + 0 and mean >= argv[arg + 3] + 0
  merits[ask] = is_ok
  result[filled + 1], result[filled + 2], result[filled + 3] = is_ok and 0 or 1, count, mean
  filled = filled + 3
  return 0, arg + 9
end

local function has_bit(bytes, at, mask)
  return floor(byte(bytes, at) / mask) % 2 == 1
end

local function judge_distinct(ask, arg, raw)
  local bit, most, window_ms = argv[arg + 2] + 0, argv[arg + 3] + 0, argv[arg + 4] + 0
  local at, mask = floor(bit / 8) + 1, math.ldexp(1, bit % 8)
  local started_at, set, newer_set, older, newer = now, 0, 0, nil, nil
  if raw and #raw == 273 and byte(raw) == 100 then
    local stored_at, stored_ms, all_set, new_set = read('>I6I6I2I2', raw, 2)
    local age_ms = now - stored_at
    local is_state = stored_ms == window_ms and all_set <= BITS and new_set <= all_set
    if is_state and age_ms >= window_ms and age_ms < 2 * window_ms then
      started_at, set, older = stored_at + window_ms, new_set, sub(raw, 146)
    elseif is_state and age_ms < window_ms and age_ms >= -window_ms then
      started_at, set, newer_set, older, newer = stored_at, all_set, new_set, sub(raw, 18, 145), sub(raw, 146)
    end
  end
  local is_new_here = not newer or not has_bit(newer, at, mask)
  local is_new = is_new_here and not (older and has_bit(older, at, mask))
  local retry_ms = 0
  if is_new and most < 1 then
    retry_ms = NEVER
  elseif is_new and set >= most then
    retry_ms = max(1, started_at + window_ms - now + (newer_set >= most and window_ms or 0))
  end
  values[ask] = false
  if retry_ms == 0 and is_new_here then
    local nothing = string.rep('\0', BITS / 8)
    newer = newer or nothing
    local head = pack('>c0I6I6I2I2', 'd', started_at, window_ms, is_new and set + 1 or set, newer_set + 1)
    local filled_in = string.char(byte(newer, at) + mask)
    values[ask] = head .. (older or nothing) .. sub(newer, 1, at - 1) .. filled_in .. sub(newer, at + 1)
    lives[ask] = started_at + 2 * window_ms - now
  end
  result[filled + 1], result[filled + 2] = retry_ms, set
  filled = filled + 2
  return retry_ms, arg + 5
end

local judges = {
  w = judge_windows,
  r = judge_rate,
  a = judge_reservation,
  l = judge_lease,
  g = judge_triplet,
  m = judge_merit,
  d = judge_distinct,
}

-- Judges the ask behind the prefix, unless a merit is ok.
function judges.x(ask, arg, raw)
  local first_arg = arg + 4 + argv[arg + 3]
  local op = argv[first_arg]
  for index = arg + 4, first_arg - 1 do
    local merit = argv[index] + 0
    if merits[merit + 1] then
      values[ask], merits[ask] = false, true
      result[filled + 1], result[filled + 2] = -2 - merit, 0
      filled = filled + 2
      if op == 'w' or op == 'm' or op == 'a' then
        result[filled + 1], filled = 0, filled + 1
      end
      return 0, first_arg + argv[arg + 2]
    end
  end
  return judges[op](ask, first_arg, raw)
end

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
