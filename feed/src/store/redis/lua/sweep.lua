-- Drops some of what belongs to generations that nobody needs any longer. ARGV: base, now, lines at most. Answers whether there
-- is more.
local active, building = redis.call('GET', ACTIVE), redis.call('GET', BUILDING)
for _, g in ipairs(redis.call('SMEMBERS', GENERATIONS)) do
  if g ~= active and g ~= building then
    local p = prefix(g)
    local lines = redis.call('HRANDFIELD', p .. 'ln', ARGV[3])
    if #lines > 0 then
      for _, line in ipairs(lines) do
        redis.call('UNLINK', line_key(p, line))
      end
      redis.call('HDEL', p .. 'ln', unpack(lines))
      return { 'more' }
    end
    for _, name in ipairs({ 'm', 'ln', 'thin', 'ag', 'it', 'rem', 'pe', 'fo', 'fe', 'held', 'heldq', 'nv', 'nm', 'rt', 'mk', 'log', 'logq' }) do
      redis.call('UNLINK', p .. name)
    end
    redis.call('SREM', GENERATIONS, g)
    return { 'more' }
  end
end
return { 'ok' }
