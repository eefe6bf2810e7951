-- Changes to the stream that is shown and to the one that is built, or to the latter alone; and up to where was read with it.
--
-- ARGV: base, now, window, cutoff, yesterday, generation ('': both), the generation and version seen before ('' and 0: none),
-- marks (a count, then topic, partition, offset, when), changes.
local window, cutoff, yesterday = tonumber(ARGV[3]), ARGV[4], ARGV[5]
local wanted, seen, seen_ver = ARGV[6], ARGV[7], tonumber(ARGV[8])
local at = 8

local function take()
  at = at + 1
  return ARGV[at]
end

local function bodies()
  local all = {}
  for _ = 1, tonumber(take()) do
    local basis, size, text = take(), tonumber(take()), take()
    all[basis] = { z = size, text = text }
  end
  return all
end

local readers = {
  P = function()
    return { id = take(), order = take(), at = take(), user = take(), audiences = split(take(), ','), tags = split(take(), '\31'),
      pinned = take(), kept = take(), source = take(), shown = take() == '1', dated = take() == '1', bodies = bodies() }
  end,
  T = function()
    return { id = take(), order = take(), touch = take(), bodies = bodies() }
  end,
  G = function()
    return { id = take(), order = take(), at = take() }
  end,
  R = function()
    return { user = take(), version = take(), text = take() }
  end,
  N = function()
    return { user = take(), source = take(), version = take(), text = take() }
  end,
}

local streams, top = {}, nil
local built = pointed(BUILDING)
if wanted ~= '' then
  if built ~= wanted then
    return { 'superseded' }
  end
  streams[1] = open(built, window, cutoff)
else
  local active = pointed(ACTIVE)
  if built and (active or redis.call('EXISTS', LEASE) == 1) then
    streams[1] = open(built, window, cutoff)
  end
  if active then
    top = open(active, window, cutoff)
    if active == seen and top.ver < seen_ver and #streams == 0 then
      return { 'none' }
    end
    streams[#streams + 1] = top
  end
  if #streams == 0 then
    return { 'none' }
  end
end

local marks = {}
for i = 1, tonumber(take()) do
  marks[i] = { field = take() .. ' ' .. take(), offset = tonumber(take()), when = take() }
end

for _, s in ipairs(streams) do
  s:expire()
  s:expire_held(yesterday)
end
-- The effect is that of the last change on the last stream, which is the one that is shown if there is one.
local effect, index, thin = 'unchanged', 0, streams[#streams].thin
while at < #ARGV do
  local kind = take()
  local c = readers[kind]()
  c.kind = kind
  if c.bodies then
    -- Nothing is changed anywhere before everything that is needed for it is there.
    for _, s in ipairs(streams) do
      local basis, needs = s:basis(c)
      if basis and not c.bodies[basis] then
        for _, one in ipairs(streams) do
          one:save()
        end
        return { 'body', index, basis, needs }
      end
    end
  end
  for _, s in ipairs(streams) do
    effect = s:apply(c, s == top and yesterday or nil)
  end
  index = index + 1
end
for _, s in ipairs(streams) do
  for _, mark in ipairs(marks) do
    local before = redis.call('HGET', s.p .. 'mk', mark.field)
    if not before or tonumber(before) < mark.offset then
      redis.call('HSET', s.p .. 'mk', mark.field, string.format('%.0f', mark.offset))
    end
    s.last = later(s.last, mark.when)
  end
  s:save()
  if effect == 'applied' and s == streams[#streams] and s.thin > thin then
    effect = 'thinned'
  end
end
if wanted == '' then
  redis.call('PUBLISH', NEWS, top and top.g or '')
end
return { 'ok', effect, top and top.g or '', top and top.ver or 0 }
