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

