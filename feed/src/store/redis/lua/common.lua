-- What every script begins with. ARGV[1] stands before the name of every key, ARGV[2] is the time.
--
-- A time is 16 hexadecimal digits that sort as it does; a place is a time and an id, an order likewise sorts as text. So no
-- number of this stream is ever a float, and a range of places is a range by text.
local base, now = ARGV[1], ARGV[2]
local ACTIVE, BUILDING, LEASE = base .. 'f:active', base .. 'f:building', base .. 'f:lease'
local LAST, GENERATIONS, NEWS = base .. 'f:last', base .. 'f:generations', base .. 'f:news'

local function prefix(generation)
  return base .. 'f:' .. generation .. ':'
end

-- The generation a pointer names, as long as its state is there too.
local function pointed(pointer)
  local generation = redis.call('GET', pointer)
  if generation and redis.call('EXISTS', prefix(generation) .. 'm') == 1 then
    return generation
  end
end

-- Why there is nothing to be shown: it is being built, or nobody does.
local function nothing()
  if pointed(BUILDING) and redis.call('EXISTS', LEASE) == 1 then
    return { 'cold' }
  end
  return { 'none' }
end

local function line_key(p, line)
  if string.sub(line, 1, 3) == 'by:' then
    return p .. line
  end
  return p .. 'tl:' .. line
end

local function split(text, by)
  local parts = {}
  if text ~= '' then
    for part in string.gmatch(text .. by, '(.-)' .. by) do
      parts[#parts + 1] = part
    end
  end
  return parts
end

-- What a line is when nothing is known of it: its floor ('': it is complete), what was refused below it, its last change,
-- how many places it holds, and its pins, oldest first.
local function empty_line()
  return { f = '', r = 0, g = 0, n = 0, p = {} }
end

local function line_of(p, line)
  local text = redis.call('HGET', p .. 'ln', line)
  return text and cmsgpack.unpack(text)
end

-- What is known of a post: k is L(ive), O(ff) or D(ead), s the order of its last whole state; of a live one o and t its newest
-- foreign update, at its time, u its author, a its audiences, g its tags, pu and ku until when it is pinned and kept, z the
-- bytes of its body; of another si, since when it is remembered.
local function known(p, id)
  local text = redis.call('HGET', p .. 'ag', id)
  return text and cmsgpack.unpack(text)
end

local function live(p, id)
  local entry = known(p, id)
  if entry and entry.k == 'L' then
    return entry
  end
end

local function has(list, wanted)
  for _, one in ipairs(list) do
    if one == wanted then
      return true
    end
  end
  return false
end

-- The greater of two texts; Lua's math.max knows numbers only.
local function later(one, other)
  if one > other then
    return one
  end
  return other
end
