-- What a change does. A change is a table: `kind` is P(ost), T(ouch), G(one), R(ights) or N(ame).
local HELD = 10000
local LOGGED, LOGGED_BYTES = 10000, 33554432

-- Updates that came before the creation of their post (spec/feed.md rule 5): o and t as on an entry, q since when.
function Stream:held(id)
  local held = self.waiting[id]
  if held == nil then
    local text = redis.call('HGET', self.p .. 'held', id)
    held = text and cmsgpack.unpack(text)
    self.waiting[id] = held
  end
  return held or nil
end

function Stream:let_go(id, held)
  self.waiting[id] = false
  redis.call('HDEL', self.p .. 'held', id)
  redis.call('ZREM', self.p .. 'heldq', held.q .. id)
end

function Stream:hold(id, order, touch)
  local waiting = self:held(id)
  if waiting and waiting.o >= order then
    return
  end
  local held = { o = order, t = touch, q = waiting and waiting.q or now }
  self.waiting[id] = held
  redis.call('HSET', self.p .. 'held', id, cmsgpack.pack(held))
  redis.call('ZADD', self.p .. 'heldq', 0, held.q .. id)
  while redis.call('ZCARD', self.p .. 'heldq') > HELD do
    local oldest = string.sub(redis.call('ZPOPMIN', self.p .. 'heldq')[1], 17)
    self.waiting[oldest] = false
    redis.call('HDEL', self.p .. 'held', oldest)
  end
end

-- yesterday: what waits since then or earlier waits no longer.
function Stream:expire_held(yesterday)
  for _, one in ipairs(self:due('heldq', yesterday)) do
    local id = string.sub(one, 17)
    self.waiting[id] = false
    redis.call('HDEL', self.p .. 'held', id)
  end
end

-- Bodies are written by who calls, and depend on what is known here: at which time the item stays, and which foreign update
-- is on top of it. Answers that as a word, and what is needed to write the body; nil where no body is needed.
function Stream:basis(c)
  if c.kind ~= 'P' and c.kind ~= 'T' then
    return nil
  end
  local e = self:known(c.id)
  if c.kind == 'P' then
    if (e and e.s >= c.order) or not c.shown then
      return nil
    end
    local at, o, t = c.at, '', ''
    if e and e.k == 'L' then
      -- What the owner says of a post that only foreign messages told of says its place too.
      if string.sub(e.s, 1, 1) == string.sub(c.order, 1, 1) then
        at = e.at
      end
      if e.o > c.order then
        o, t = e.o, e.t
      end
    end
    local held = c.source ~= 'a' and self:held(c.id)
    if held and held.o > c.order and held.o > o then
      o, t = held.o, held.t
    end
    return at .. o, { at, o, t }
  elseif c.kind == 'T' and e and e.k == 'L' and c.order > later(e.s, e.o) then
    return e.s .. e.o, { redis.call('HGET', self.p .. 'it', c.id) }
  end
end

function Stream:post(c, basis)
  local e, held = self:known(c.id), self:held(c.id)
  if held and c.source == 'a' then
    self:let_go(c.id, held)
    held = nil
  end
  if e and e.s >= c.order then
    return 'unchanged'
  end
  if held then
    self:let_go(c.id, held)
  end
  local old = e and e.k == 'L' and e
  if not c.shown then
    if old then
      self:take_out(c.id, old, c.audiences)
      self:leave(c.id, old)
      redis.call('HDEL', self.p .. 'it', c.id)
    end
    if c.dated then
      self:forget(c.id)
    else
      self:remember(c.id, 'O', c.order, now)
    end
    return 'applied'
  end
  local at, o = string.sub(basis, 1, 16), string.sub(basis, 17)
  local t = ''
  if o ~= '' then
    t = (old and old.o == o and old.t) or held.t
  end
  local body = c.bodies[basis]
  if old then
    self:take_out(c.id, old, c.audiences)
    if old.at ~= at or old.u ~= c.user then
      self:leave(c.id, old)
    end
  end
  local entry = { k = 'L', s = c.order, o = o, t = t, at = at, u = c.user, a = c.audiences, g = c.tags, pu = c.pinned, ku = c.kept, z = body.z }
  self:put_in(c.id, entry, body.text)
  if c.dated then
    local left = self:known(c.id)
    if left and left.k == 'O' then
      self:forget(c.id)
      redis.call('ZREM', self.p .. 'rem', left.si .. c.id)
    end
  end
  return 'applied'
end

function Stream:touch(c, basis)
  local e = self:known(c.id)
  if not e or e.k == 'D' then
    self:hold(c.id, c.order, c.touch)
    return e and 'unchanged' or 'held'
  end
  -- Below every window: what it looks like is the owner's to say.
  if e.k == 'O' or c.order <= later(e.s, e.o) then
    return 'unchanged'
  end
  local body = c.bodies[basis]
  self:take_out(c.id, e, e.a)
  e.o, e.t, e.z = c.order, c.touch, body.z
  self:put_in(c.id, e, body.text)
  return 'applied'
end

function Stream:gone(c)
  local e = self:known(c.id)
  if e and e.s >= c.order then
    return 'unchanged'
  end
  if e and e.k == 'L' then
    self:take_out(c.id, e, {})
    self:leave(c.id, e)
    redis.call('HDEL', self.p .. 'it', c.id)
    -- Should the post come back by an earlier creation that is still on its way, the update is above that too.
    if e.o > c.order then
      self:hold(c.id, e.o, e.t)
    end
  end
  self:remember(c.id, 'D', c.order, c.at)
  return 'applied'
end

-- Keeps what is said in a version unless a later one is known; answers what was said before.
function Stream:say(hash, field, c)
  local before = redis.call('HGET', self.p .. hash, field)
  if before and string.sub(before, 1, 16) >= c.version then
    return 'unchanged'
  end
  redis.call('HSET', self.p .. hash, field, c.version .. c.text)
  return 'applied', before and string.sub(before, 17)
end

function Stream:name(c)
  local effect = self:say('nv', c.source .. c.user, c)
  if effect == 'applied' then
    local shown = ''
    for _, source in ipairs({ 'a', 'p' }) do
      local said = redis.call('HGET', self.p .. 'nv', source .. c.user)
      said = said and string.sub(said, 17) or '""'
      if said ~= '""' then
        shown = said
      end
    end
    if shown == '' then
      redis.call('HDEL', self.p .. 'nm', c.user)
    else
      redis.call('HSET', self.p .. 'nm', c.user, shown)
    end
    self.ver = self.ver + 1
    self.names = self.ver
  end
  return effect
end

-- Adds to the change log, and forgets what is too old or too much. since: what was told then or earlier is too old.
function Stream:log(text, size, since)
  self.seq = self.seq + 1
  self.kept = self.kept + size
  redis.call('RPUSH', self.p .. 'log', text)
  redis.call('RPUSH', self.p .. 'logq', now .. size)
  while self.first <= self.seq do
    local oldest = redis.call('LINDEX', self.p .. 'logq', 0)
    if self.seq - self.first < LOGGED and self.kept <= LOGGED_BYTES and string.sub(oldest, 1, 16) > since then
      break
    end
    redis.call('LPOP', self.p .. 'logq')
    redis.call('LPOP', self.p .. 'log')
    self.kept = self.kept - tonumber(string.sub(oldest, 17))
    self.first = self.first + 1
  end
end

-- One change to one stream that expired before, and is saved after. `yesterday` given: live readers are told.
function Stream:apply(c, yesterday)
  local effect, before = nil, nil
  local basis = self:basis(c)
  if yesterday and c.id then
    before = self:live(c.id)
  end
  if c.kind == 'P' then
    effect = self:post(c, basis)
  elseif c.kind == 'T' then
    effect = self:touch(c, basis)
  elseif c.kind == 'G' then
    effect = self:gone(c)
  elseif c.kind == 'R' then
    effect, before = self:say('rt', c.user, c)
  else
    effect = self:name(c)
  end
  if effect == 'applied' and yesterday then
    if c.kind == 'R' then
      if before and before ~= c.text then
        self:log('R' .. now .. c.user .. ' ' .. c.text, 0, yesterday)
      end
    elseif c.id then
      local after = self:live(c.id)
      if before or after then
        local body = after and c.bodies[basis].text or ''
        local text = 'I' .. now .. c.id .. table.concat(before and before.a or {}, ',') .. '\n' .. body
        self:log(text, after and after.z or 0, yesterday)
      end
    end
  end
  return effect
end
