-- Starts a new generation. ARGV: base, now, who builds, milliseconds of their lease, the time as a number.
local holder = redis.call('GET', LEASE)
if holder and holder ~= ARGV[3] and pointed(BUILDING) then
  return { 'busy' }
end
redis.call('SET', LEASE, ARGV[3], 'PX', ARGV[4])
local number = math.max(tonumber(ARGV[5]), (tonumber(redis.call('GET', LAST)) or 0) + 1)
local g = string.format('%.0f', number)
redis.call('SET', LAST, g)
redis.call('SADD', GENERATIONS, g)
redis.call('HSET', prefix(g) .. 'm', 'first', 1)
redis.call('SET', BUILDING, g)
return { 'ok', g }
