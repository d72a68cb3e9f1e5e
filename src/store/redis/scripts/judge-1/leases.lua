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

