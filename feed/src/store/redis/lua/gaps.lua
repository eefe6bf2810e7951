-- The lines that have room. ARGV: base, now, the generation that is built ('': the one that is shown).
local g
if ARGV[3] ~= '' then
  if pointed(BUILDING) ~= ARGV[3] then
    return { 'superseded' }
  end
  g = ARGV[3]
else
  g = pointed(ACTIVE)
  if not g then
    return nothing()
  end
end
local answer = { 'ok', g }
for _, line in ipairs(redis.call('SMEMBERS', prefix(g) .. 'thin')) do
  local h = line_of(prefix(g), line)
  if h and h.f ~= '' then
    answer[#answer + 1] = { line, h.f, h.n, h.r }
  end
end
return answer
