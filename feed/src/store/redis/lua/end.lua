-- Shows the generation that was built, or gives it up. ARGV: base, now, who built, generation, 'show' or 'abandon'.
if redis.call('GET', BUILDING) ~= ARGV[4] then
  return { 'superseded' }
end
if ARGV[5] == 'show' then
  if not pointed(BUILDING) then
    return { 'superseded' }
  end
  redis.call('SET', ACTIVE, ARGV[4])
end
redis.call('DEL', BUILDING)
if redis.call('GET', LEASE) == ARGV[3] then
  redis.call('DEL', LEASE)
end
redis.call('PUBLISH', NEWS, ARGV[4])
return { 'ok' }
