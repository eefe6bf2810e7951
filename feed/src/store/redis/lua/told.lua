-- What is known of single things. ARGV: base, now, what, then whose.
local g = pointed(ACTIVE)
if ARGV[3] == 'names' then
  g = g or pointed(BUILDING)
end
if not g then
  return nothing()
end
local p = prefix(g)
if ARGV[3] == 'version' then
  local entry = known(p, ARGV[4])
  return { 'ok', entry and later(entry.s, entry.o or '') or '' }
elseif ARGV[3] == 'name' then
  return { 'ok', redis.call('HGET', p .. 'nv', 'a' .. ARGV[4]) or '' }
elseif ARGV[3] == 'names' then
  local names = {}
  for i = 4, #ARGV do
    names[i - 3] = redis.call('HGET', p .. 'nm', ARGV[i]) or ''
  end
  return { 'ok', names }
end
local sums = redis.call('HMGET', p .. 'm', 'audiences', 'items', 'bytes', 'last')
return { 'ok', g, tonumber(sums[1]) or 0, tonumber(sums[2]) or 0, tonumber(sums[3]) or 0, sums[4] or '', redis.call('HGETALL', p .. 'mk') }
