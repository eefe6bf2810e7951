-- Fills a line up with what lies below its floor. ARGV: base, now, window, cutoff, generation, line, floor, refused, down to ('': there is
-- nothing below), what was found: place, order, whether it changed so lately that its event may be still to come, whether
-- the item is where the post is, user, audiences, tags, pinned, size, body.
local g, line, below = ARGV[5], ARGV[6], ARGV[7]
if pointed(BUILDING) ~= g and pointed(ACTIVE) ~= g then
  return { 'ok', 0 }
end
local s = open(g, tonumber(ARGV[3]), ARGV[4])
local h = s:line(line)
if h.f ~= below or h.r ~= tonumber(ARGV[8]) or h.n >= s.window then
  return { 'ok', 0 }
end
local down, missing, found = ARGV[9], {}, {}
local function belongs(entry)
  if string.sub(line, 1, 3) == 'by:' then
    return entry.u == string.sub(line, 4)
  end
  return has(entry.a, line)
end
local at = 9
local function take()
  at = at + 1
  return ARGV[at]
end
while at < #ARGV do
  local one = { place = take(), order = take(), late = take() == '1', there = take() == '1', user = take(), audiences = split(take(), ','),
    tags = split(take(), '\31'), pinned = take(), size = tonumber(take()), body = take() }
  found[one.place] = one
  missing[#missing + 1] = one.place
end
-- Foreign posts of this line: the owner does not know them.
local range = redis.call('ZRANGEBYLEX', s.p .. 'fo', down == '' and '-' or '[' .. down, '(' .. below)
for _, place in ipairs(range) do
  local entry = s:live(string.sub(place, 17))
  if not found[place] and entry and belongs(entry) then
    missing[#missing + 1] = place
  end
end
table.sort(missing, function(a, b) return a > b end)

-- Whether the post belongs here as far as is known; then its body is kept. What an event tells of that is still to come is
-- left to the event.
local function take_back(one)
  local id = string.sub(one.place, 17)
  local entry = s:known(id)
  if entry and entry.k == 'L' then
    return string.sub(entry.s, 1, 1) == '1' and belongs(entry) and entry.at .. id == one.place
  elseif entry then
    if entry.k ~= 'O' or entry.s ~= one.order then
      return false
    end
  elseif one.late then
    return false
  end
  if not one.there then
    return false
  end
  local kept = { k = 'L', s = one.order, o = '', t = '', at = string.sub(one.place, 1, 16), u = one.user, a = one.audiences, g = one.tags,
    pu = one.pinned, ku = '', z = one.size }
  s:keep_body(id, kept, one.body)
  return true
end

local places, left, room = {}, #missing, s.window - h.n
for _, place in ipairs(missing) do
  if #places == room then
    break
  end
  left = left - 1
  if not found[place] or take_back(found[place]) then
    places[#places + 1] = place
  end
end
h = s:change(line)
for _, place in ipairs(places) do
  h.n = h.n + redis.call('ZADD', line_key(s.p, line), 0, place)
end
if left == 0 then
  h.f = down
else
  h.f = places[#places] or ''
end
s:save()
return { 'ok', 1 }
