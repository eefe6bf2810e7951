-- One stream in the hands of a script: its lines, its sums and what is known of a post are read once; lines and sums are written
-- once, at the end.
local FOREIGN = 10000

local Stream = {}
Stream.__index = Stream

local SUMS = { 'ver', 'seq', 'first', 'kept', 'items', 'bytes', 'names', 'lines', 'audiences' }

-- window: places per line at most. cutoff: what is remembered since then or earlier is forgotten.
local function open(generation, window, cutoff)
  local s = setmetatable({ g = generation, p = prefix(generation), window = window, cutoff = cutoff, head = {}, dirty = {}, met = {}, waiting = {} },
    Stream)
  local sums = redis.call('HMGET', s.p .. 'm', 'last', unpack(SUMS))
  s.last = sums[1] or ''
  for i, name in ipairs(SUMS) do
    s[name] = tonumber(sums[i + 1]) or 0
  end
  s.thin = redis.call('SCARD', s.p .. 'thin')
  return s
end

function Stream:save()
  for line in pairs(self.dirty) do
    local h = self.head[line]
    local was, is = h.old, h.n > 0 or #h.p > 0 or h.f ~= ''
    h.old = nil
    if is then
      redis.call('HSET', self.p .. 'ln', line, cmsgpack.pack(h))
    else
      redis.call('HDEL', self.p .. 'ln', line)
    end
    if (was or false) ~= is then
      -- Whoever remembers which lines there are looks again.
      self.lines = self.lines + 1
      if string.sub(line, 1, 3) ~= 'by:' then
        self.audiences = self.audiences + (is and 1 or -1)
      end
    end
    h.old = is
    if h.f ~= '' and h.n < self.window then
      self.thin = self.thin + redis.call('SADD', self.p .. 'thin', line)
    elseif self.thin > 0 then
      self.thin = self.thin - redis.call('SREM', self.p .. 'thin', line)
    end
  end
  self.dirty = {}
  local sums = { 'last', self.last }
  for _, name in ipairs(SUMS) do
    sums[#sums + 1] = name
    sums[#sums + 1] = self[name]
  end
  redis.call('HSET', self.p .. 'm', unpack(sums))
end

-- What is known of a post, and what of a live one.
function Stream:known(id)
  local entry = self.met[id]
  if entry == nil then
    entry = known(self.p, id) or false
    self.met[id] = entry
  end
  return entry or nil
end

function Stream:live(id)
  local entry = self:known(id)
  if entry and entry.k == 'L' then
    return entry
  end
end

function Stream:know(id, entry)
  self.met[id] = entry
  redis.call('HSET', self.p .. 'ag', id, cmsgpack.pack(entry))
end

function Stream:forget(id)
  self.met[id] = false
  redis.call('HDEL', self.p .. 'ag', id)
end

function Stream:line(line)
  local h = self.head[line]
  if not h then
    h = line_of(self.p, line)
    if h then
      h.old = true
    else
      h = empty_line()
    end
    self.head[line] = h
  end
  return h
end

-- A line that a change is about to be made to.
function Stream:change(line)
  local h = self:line(line)
  self.ver = self.ver + 1
  h.g = self.ver
  self.dirty[line] = true
  return h
end

local function unpin(h, place)
  for i, one in ipairs(h.p) do
    if one == place then
      table.remove(h.p, i)
      return
    end
  end
end

local function pin(h, place)
  if not has(h.p, place) then
    h.p[#h.p + 1] = place
    table.sort(h.p)
  end
end

-- Puts a place into a line unless it is below the floor, and keeps the newest. Answers what fell out, which may be the place
-- itself.
function Stream:insert(line, place)
  local h = self:change(line)
  if h.f ~= '' and place < h.f then
    h.r = h.r + 1
    return place
  end
  local key = line_key(self.p, line)
  if redis.call('ZADD', key, 0, place) == 0 then
    return nil
  end
  h.n = h.n + 1
  if h.n <= self.window then
    return nil
  end
  local fallen = redis.call('ZPOPMIN', key)[1]
  h.n = h.n - 1
  h.f = redis.call('ZRANGE', key, 0, 0)[1]
  return fallen
end

function Stream:remove(line, place)
  local h = self:change(line)
  h.n = h.n - redis.call('ZREM', line_key(self.p, line), place)
  unpin(h, place)
end

function Stream:holds(entry, place)
  local function on(line)
    return redis.call('ZSCORE', line_key(self.p, line), place) or has(self:line(line).p, place)
  end
  for _, audience in ipairs(entry.a) do
    if on(audience) then
      return true
    end
  end
  return on('by:' .. entry.u)
end

-- Remembers what is in no window and what is gone, for as long as its events may still come.
function Stream:remember(id, kind, order, since)
  if since > self.cutoff then
    self:know(id, { k = kind, s = order, si = since })
    redis.call('ZADD', self.p .. 'rem', 0, since .. id)
  else
    self:forget(id)
  end
end

function Stream:keep_body(id, entry, body)
  self.items = self.items + 1
  self.bytes = self.bytes + entry.z
  self:know(id, entry)
  redis.call('HSET', self.p .. 'it', id, body)
end

function Stream:drop_body(id, entry)
  self.items = self.items - 1
  self.bytes = self.bytes - entry.z
  redis.call('ZREM', self.p .. 'fo', entry.at .. id)
end

-- Gives up the body of a post that no window holds; tells whether it did.
function Stream:give_up(place)
  local id = string.sub(place, 17)
  local entry = self:live(id)
  if not entry or self:holds(entry, place) then
    return false
  end
  self:drop_body(id, entry)
  redis.call('HDEL', self.p .. 'it', id)
  self:remember(id, 'O', entry.s, now)
  return true
end

-- A foreign post is kept for a while, since nobody else has it.
function Stream:drop_if_unheld(place)
  local entry = self:live(string.sub(place, 17))
  if not (entry and entry.ku > now) then
    self:give_up(place)
  end
end

-- Takes a changing post out of the audiences it leaves, and its old body out of the sums.
function Stream:take_out(id, old, stays_in)
  self:drop_body(id, old)
  for _, audience in ipairs(old.a) do
    if not has(stays_in, audience) then
      self:remove(audience, old.at .. id)
    end
  end
end

-- Takes a post out of everything.
function Stream:leave(id, old)
  for _, audience in ipairs(old.a) do
    self:remove(audience, old.at .. id)
  end
  self:remove('by:' .. old.u, old.at .. id)
end

-- Puts a post into the windows of its audiences and of its author, as far as it is new enough for them.
function Stream:put_in(id, entry, body)
  local place, fallen = entry.at .. id, {}
  local pinned = entry.pu > now
  if pinned then
    redis.call('ZADD', self.p .. 'pe', 0, entry.pu .. id)
  end
  for _, audience in ipairs(entry.a) do
    fallen[#fallen + 1] = self:insert(audience, place)
    local h = self:line(audience)
    if pinned then
      pin(h, place)
    else
      unpin(h, place)
    end
  end
  fallen[#fallen + 1] = self:insert('by:' .. entry.u, place)
  if entry.ku ~= '' then
    redis.call('ZADD', self.p .. 'fo', 0, place)
    redis.call('ZADD', self.p .. 'fe', 0, entry.ku .. id)
  end
  self:keep_body(id, entry, body)
  for _, one in ipairs(fallen) do
    self:drop_if_unheld(one)
  end
  while entry.ku ~= '' and redis.call('ZCARD', self.p .. 'fo') > FOREIGN do
    if not self:give_up(redis.call('ZRANGE', self.p .. 'fo', 0, 0)[1]) then
      break
    end
  end
end

-- The ids of a queue by time whose time is `till` or before it; they leave the queue.
function Stream:due(queue, till)
  local due = redis.call('ZRANGEBYLEX', self.p .. queue, '-', '[' .. till .. '~', 'LIMIT', 0, 1000)
  if #due > 0 then
    redis.call('ZREM', self.p .. queue, unpack(due))
  end
  return due
end

-- What time alone changes.
function Stream:expire()
  for _, one in ipairs(self:due('pe', now)) do
    local till, id = string.sub(one, 1, 16), string.sub(one, 17)
    local entry = self:live(id)
    if entry and entry.pu == till then
      for _, audience in ipairs(entry.a) do
        unpin(self:change(audience), entry.at .. id)
      end
      self:drop_if_unheld(entry.at .. id)
    end
  end
  for _, one in ipairs(self:due('fe', now)) do
    local till, id = string.sub(one, 1, 16), string.sub(one, 17)
    local entry = self:live(id)
    if entry and entry.ku == till then
      self:drop_if_unheld(entry.at .. id)
    end
  end
  for _, one in ipairs(self:due('rem', self.cutoff)) do
    local since, id = string.sub(one, 1, 16), string.sub(one, 17)
    local entry = self:known(id)
    -- It may have come back, or have ended again later.
    if entry and entry.si == since then
      self:forget(id)
    end
  end
end
