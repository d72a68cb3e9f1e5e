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

