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
