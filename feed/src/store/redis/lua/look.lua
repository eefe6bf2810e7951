-- Where the stream that is shown is, and what its change log has after what is known of it.
--
-- ARGV: base, now, the generation whose log is known ('': none is wanted), its last change that is known, a user whose rights
-- are wanted ('': none), lines whose items are wanted.
local g = pointed(ACTIVE)
if not g then
  return nothing()
end
local p = prefix(g)
local sums = redis.call('HMGET', p .. 'm', 'ver', 'names', 'lines', 'seq', 'first')
for i = 1, 5 do
  sums[i] = tonumber(sums[i]) or 0
end
local seq, first = sums[4], sums[5]
local from, entries = 0, {}
if ARGV[3] ~= '' then
  from = first
  if ARGV[3] == g then
    from = math.max(first, tonumber(ARGV[4]) + 1)
  end
  if from <= seq then
    entries = redis.call('LRANGE', p .. 'log', from - first, from - first + 255)
  end
end
local rights = ''
if ARGV[5] ~= '' then
  local said = redis.call('HGET', p .. 'rt', ARGV[5])
  rights = said and string.sub(said, 17) or ''
end
local shown = {}
if ARGV[6] ~= '' then
  local met = {}
  local function meet(places)
    for _, place in ipairs(places) do
      local id = string.sub(place, 17)
      if not met[id] then
        met[id] = true
        local entry = live(p, id)
        if entry then
          shown[#shown + 1] = id .. table.concat(entry.a, ',')
        end
      end
    end
  end
  for _, line in ipairs(split(ARGV[6], ',')) do
    local h = line_of(p, line)
    if h then
      meet(redis.call('ZRANGE', line_key(p, line), 0, -1))
      meet(h.p)
    end
  end
end
return { 'look', g, sums[1], sums[2], sums[3], seq, first, from, entries, rights, shown }
