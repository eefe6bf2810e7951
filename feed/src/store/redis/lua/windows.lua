-- Everything that is shown: bodies by id, then every line with its places, newest first. ARGV: base, now.
local g = pointed(ACTIVE)
if not g then
  return nothing()
end
local p = prefix(g)
local answer, bodies, met = { 'ok', {} }, {}, {}
for _, line in ipairs(redis.call('HKEYS', p .. 'ln')) do
  local places = redis.call('ZREVRANGE', line_key(p, line), 0, -1)
  for _, place in ipairs(places) do
    local id = string.sub(place, 17)
    local entry = not met[id] and live(p, id)
    if entry then
      met[id] = true
      bodies[#bodies + 1] = { id, string.sub(entry.s, 1, 1), redis.call('HGET', p .. 'it', id) }
    end
  end
  answer[#answer + 1] = { line, places }
end
answer[2] = bodies
return answer
