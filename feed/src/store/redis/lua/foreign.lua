-- Foreign posts below a place, newest first. ARGV: base, now, 'a' or 'b', lines, below, from, tag, limit.
local g = pointed(ACTIVE)
if not g then
  return nothing()
end
local p, lines = prefix(g), split(ARGV[4], ',')
local wanted = {}
for _, line in ipairs(lines) do
  wanted[line] = true
end
local function seen(entry)
  if ARGV[7] ~= '' and not has(entry.g, ARGV[7]) then
    return false
  end
  if ARGV[3] == 'b' then
    return wanted['by:' .. entry.u]
  end
  for _, audience in ipairs(entry.a) do
    if wanted[audience] then
      return true
    end
  end
end
local answer, upper, limit = { 'ok' }, '(' .. ARGV[5], tonumber(ARGV[8])
local lower = ARGV[6] == '' and '-' or '[' .. ARGV[6]
while true do
  local places = redis.call('ZREVRANGEBYLEX', p .. 'fo', upper, lower, 'LIMIT', 0, 100)
  for _, place in ipairs(places) do
    local id = string.sub(place, 17)
    local entry = live(p, id)
    if entry and seen(entry) then
      answer[#answer + 1] = redis.call('HGET', p .. 'it', id)
      if #answer > limit then
        return answer
      end
    end
  end
  if #places < 100 then
    return answer
  end
  upper = '(' .. places[100]
end
