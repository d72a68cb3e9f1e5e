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

