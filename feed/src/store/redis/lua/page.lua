-- One page: what is listed, with bodies and names, and what its reader needs to know to go on.
--
-- ARGV: base, now, 'a' or 'b' (lines of a reader or of a person), lines, upper ('': none, not included), from ('': none, included),
-- to ('': none, not included), tag, skip ('': by cursor), limit, the state that is known ('': none),
-- the state that is counted ('': it is not to be counted).
local lines, upper, from, to = split(ARGV[4], ','), ARGV[5], ARGV[6], ARGV[7]
local tag, skip, limit, counted = ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[12]
local g = pointed(ACTIVE)
if not g then
  return nothing()
end
local p = prefix(g)
local sums = redis.call('HMGET', p .. 'm', 'ver', 'names', 'lines')
local stamp = tonumber(sums[2]) or 0
local heads, there, floor = {}, {}, ''
if #lines > 0 then
  for i, text in ipairs(redis.call('HMGET', p .. 'ln', unpack(lines))) do
    there[i] = text and 1 or 0
    if text then
      local h = cmsgpack.unpack(text)
      h.key = line_key(p, lines[i])
      heads[#heads + 1] = h
      stamp = math.max(stamp, h.g)
      floor = later(floor, h.f)
    end
  end
end
local head = { 'page', g, tonumber(sums[1]) or 0, tonumber(sums[3]) or 0, stamp, there }
-- A line that went takes its stamp along, so the number of those that came and went belongs to the state.
local state = g .. ' ' .. stamp .. ' ' .. head[4]
if ARGV[11] == state then
  head[1] = 'same'
  return head
end

local function passes(id)
  if tag == '' then
    return true
  end
  local entry = live(p, id)
  return entry and has(entry.g, tag)
end

-- What is listed first, newest first.
local pins, is_pin, till = {}, {}, ''
if ARGV[3] == 'a' then
  for _, h in ipairs(heads) do
    for _, place in ipairs(h.p) do
      if not is_pin[place] and place >= from and (to == '' or place < to) then
        local entry = live(p, string.sub(place, 17))
        if entry and entry.pu > now and (tag == '' or has(entry.g, tag)) then
          is_pin[place] = true
          pins[#pins + 1] = place
          if till == '' or entry.pu < till then
            till = entry.pu
          end
        end
      end
    end
  end
  table.sort(pins, function(a, b) return a > b end)
end
local chosen, last, more = {}, '', 0
local first = skip ~= nil
local left = skip or 0
if first then
  for i = left + 1, math.min(#pins, left + limit) do
    chosen[#chosen + 1] = pins[i]
  end
  more = #pins > left + limit and 1 or 0
  left = math.max(0, left - #pins)
else
  -- Those that did not fit into the first page are at their place.
  for i = limit + 1, #pins do
    is_pin[pins[i]] = nil
    pins[i] = nil
  end
end

-- The lines as one, newest first, each place once.
local down = later(floor, from)
local low = down == '' and '-' or '[' .. down
local batch = limit + 1 + #pins + math.min(left, 200)
if tag ~= '' then
  batch = math.max(batch, 100)
end
local function fill(h, below)
  h.list = redis.call('ZREVRANGEBYLEX', h.key, below, low, 'LIMIT', 0, batch)
  h.i = 1
end
for _, h in ipairs(heads) do
  fill(h, upper == '' and '+' or '(' .. upper)
end
local function next_place()
  local newest = ''
  for _, h in ipairs(heads) do
    if h.i > #h.list and #h.list == batch then
      fill(h, '(' .. h.list[batch])
    end
    local place = h.list[h.i]
    if place and place > newest then
      newest = place
    end
  end
  if newest == '' then
    return nil
  end
  for _, h in ipairs(heads) do
    if h.list[h.i] == newest then
      h.i = h.i + 1
    end
  end
  return newest
end
while more == 0 do
  local place = next_place()
  if not place then
    break
  end
  if not is_pin[place] and passes(string.sub(place, 17)) then
    if left > 0 then
      left = left - 1
    elseif #chosen < limit then
      chosen[#chosen + 1] = place
      last = place
    else
      more = 1
    end
  end
end

local total = -1
if counted == state then
  total = -2
elseif counted ~= '' then
  if tag == '' and from == '' and to == '' and #heads == 1 then
    total = heads[1].n
  else
    total = 0
    local met = {}
    local least, most = from == '' and '-' or '[' .. from, to == '' and '+' or '(' .. to
    for _, h in ipairs(heads) do
      for _, place in ipairs(redis.call('ZRANGEBYLEX', h.key, least, most)) do
        if not met[place] then
          met[place] = true
          if tag == '' or passes(string.sub(place, 17)) then
            total = total + 1
          end
        end
      end
    end
  end
end

local bodies, names = {}, {}
if #chosen > 0 then
  local ids, users = {}, {}
  for i, place in ipairs(chosen) do
    ids[i] = string.sub(place, 17)
  end
  bodies = redis.call('HMGET', p .. 'it', unpack(ids))
  for i, body in ipairs(bodies) do
    users[i] = body and string.match(body, '^%d+') or '0'
  end
  names = redis.call('HMGET', p .. 'nm', unpack(users))
end
for i, v in ipairs({ floor, last, more, left, till, total, pins, bodies, names }) do
  head[6 + i] = v
end
return head
