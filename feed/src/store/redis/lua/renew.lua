-- Goes on holding the lease of who builds. ARGV: base, now, who, generation, milliseconds.
if redis.call('GET', LEASE) == ARGV[3] and redis.call('GET', BUILDING) == ARGV[4] then
  redis.call('PEXPIRE', LEASE, ARGV[5])
  return { 'ok' }
end
return { 'superseded' }
