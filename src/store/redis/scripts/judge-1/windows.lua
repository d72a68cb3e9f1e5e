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

