-- Posts of the owner's export, put into the stream that is built many at a time. What `change` does with each of them in turn
-- is done here to each line at once, for posts nothing is known of; the first one of which something is known ends it.
--
-- ARGV: base, now, window, cutoff, yesterday, generation, how many posts; of each: id, what becomes of it, what is known of it then,
-- the bytes of its body, its body; then of each line: its name, how many places, places.
-- What becomes of it: 'L'(ive), the same as 'l' where it is not to be remembered if no window keeps it, 'O'(ff), or nothing ('').
--
-- Answers how many posts were put in, and the floor of every line.
local PART = 1000

if pointed(BUILDING) ~= ARGV[6] then
  return { 'superseded' }
end
local s = open(ARGV[6], tonumber(ARGV[3]), ARGV[4])
s:expire()
s:expire_held(ARGV[5])

-- A command that takes any number of words, in parts that Lua can hand over.
local function in_parts(command, key, words)
  local sum = 0
  for from = 1, #words, PART do
    local answer = redis.call(command, key, unpack(words, from, math.min(from + PART - 1, #words)))
    sum = sum + (tonumber(answer) or 0)
  end
  return sum
end

-- The index before the first of these ids that the hash has.
local function unknown(hash, ids, count)
  for from = 1, count, PART do
    local found = redis.call('HMGET', s.p .. hash, unpack(ids, from, math.min(from + PART - 1, count)))
    for i, text in ipairs(found) do
      if text then
        return from + i - 2
      end
    end
  end
  return count
end

local count, first, ids = tonumber(ARGV[7]), 8, {}
for i = 1, count do
  ids[i] = ARGV[first + 5 * (i - 1)]
end
local done = unknown('ag', ids, count)
if redis.call('HLEN', s.p .. 'held') > 0 then
  done = unknown('held', ids, done)
end

local known_of, bodies, remembered, dated, left = {}, {}, {}, {}, {}
for i = 1, count do
  local id, at = ids[i], first + 5 * (i - 1)
  local kind = ARGV[at + 1]
  if i > done then
    left[id] = true
  elseif kind ~= '' then
    known_of[#known_of + 1], known_of[#known_of + 2] = id, ARGV[at + 2]
    if kind == 'O' then
      remembered[#remembered + 1], remembered[#remembered + 2] = 0, now .. id
    else
      s.items = s.items + 1
      s.bytes = s.bytes + tonumber(ARGV[at + 3])
      bodies[#bodies + 1], bodies[#bodies + 2] = id, ARGV[at + 4]
      dated[id] = kind == 'l'
    end
  end
end
in_parts('HSET', s.p .. 'ag', known_of)
in_parts('HSET', s.p .. 'it', bodies)
s.met = {}
in_parts('ZADD', s.p .. 'rem', remembered)

local answer, fallen = { 'ok', done }, {}
local at = first + 5 * count
while at < #ARGV do
  local line, places, new = ARGV[at], tonumber(ARGV[at + 1]), {}
  local h = s:line(line)
  for i = at + 2, at + 1 + places do
    local place = ARGV[i]
    if done == count or not left[string.sub(place, 17)] then
      h = s:change(line)
      if h.f ~= '' and place < h.f then
        h.r = h.r + 1
        fallen[#fallen + 1] = place
      else
        new[#new + 1], new[#new + 2] = 0, place
      end
    end
  end
  at = at + 2 + places
  local key = line_key(s.p, line)
  h.n = h.n + in_parts('ZADD', key, new)
  if h.n > s.window then
    local popped = redis.call('ZPOPMIN', key, h.n - s.window)
    for i = 1, #popped, 2 do
      fallen[#fallen + 1] = popped[i]
    end
    h.n, h.f = s.window, redis.call('ZRANGE', key, 0, 0)[1]
  end
  answer[#answer + 1] = h.f
end
for _, place in ipairs(fallen) do
  s:drop_if_unheld(place)
  local id = string.sub(place, 17)
  local entry = dated[id] and s:known(id)
  if entry and entry.k == 'O' then
    s:forget(id)
    redis.call('ZREM', s.p .. 'rem', entry.si .. id)
  end
end
s:save()
return answer
