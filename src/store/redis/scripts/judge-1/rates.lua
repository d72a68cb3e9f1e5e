-- Intervals are fractions of a millisecond: added to a time, a full bucket may come out a little more than full.
local ROUNDING_MS = 1

-- The time of a bucket of which a slot was reserved, nil when the bytes are of none. A clock that was put back is followed:
-- what is reserved lies as far ahead of the new time as it did of the old.
local function read_reserved(ask, raw, depth_ms)
  local tat, written_at = read('>dI6', raw, 2)
  if not (tat >= 0 and tat < NEVER) then
    return nil
  end
  local longest_ms = 2 * depth_ms + MAX_AHEAD_MS + ROUNDING_MS
  if written_at > now then
    local lead_ms = max(0, tat - written_at)
    tat = lead_ms > longest_ms and now or now + lead_ms
    -- Even if nothing is taken: else it would stand still until the clock is where it was.
    call('SET', keys[before + ask], pack('>c0dI6', 'a', tat, now), 'PX', max(1, min(ceil(tat) - now, LONGEST_MS)))
  end
  return tat - now > longest_ms and now or max(tat, now)
end

local function judge_rate(ask, arg, raw, ahead_ms)
  local cost, interval_ms, burst = argv[arg + 2] + 0, argv[arg + 3] + 0, argv[arg + 4] + 0
  local depth_ms = burst * interval_ms
  local tat, reserved = now, nil
  if raw and #raw == 15 and byte(raw) == 97 then
    reserved = read_reserved(ask, raw, depth_ms)
    tat = reserved or now
  elseif raw and #raw == 9 and byte(raw) == 114 then
    local stored = read('>d', raw, 2)
    -- A clock that jumped back further than a full bucket lasts would lock the key out: start anew.
    if stored > now and stored - now <= depth_ms + ROUNDING_MS then
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
    values[ask] = pack('>c0dI6', 'a', tat_after, now)
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

