package redisstore

import "github.com/redis/go-redis/v9"

// An entry is a hash: f is the fence of who wrote it, d the sealed data. A lock is a string: the token of who
// holds it. Both expire by themselves.
//
// A fence is a number that is greater with every holder of a lock: the time in microseconds by the server's
// clock, or more if the entry has a later one.
var (
	// take returns {"new", f, d} if there is another entry than the one with the fence seen; {"locked", fence} if
	// it could take the lock; {"held", milliseconds left} if another holds it.
	take = redis.NewScript(`
local entry = redis.call('HMGET', KEYS[1], 'f', 'd')
local seen = entry[1] or ''
if seen ~= '' and seen ~= ARGV[1] then
  return {'new', entry[1], entry[2] or ''}
end
if not redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then
  return {'held', redis.call('PTTL', KEYS[2])}
end
local now = redis.call('TIME')
local fence = tonumber(now[1]) * 1000000 + tonumber(now[2])
local last = tonumber(seen)
if last and last >= fence then
  fence = last + 1
end
return {'locked', string.format('%.0f', fence)}
`)

	// put writes the entry unless another process holds the lock or has written a later one, gives the lock up,
	// and returns whether it wrote.
	put = redis.NewScript(`
local owner = redis.call('GET', KEYS[2])
if owner == ARGV[1] then
  redis.call('DEL', KEYS[2])
elseif owner then
  return 0
end
local last = tonumber(redis.call('HGET', KEYS[1], 'f') or '0') or 0
if last > tonumber(ARGV[2]) then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'f', ARGV[2], 'd', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
`)

	// extend renews the lease of a lock that is still held.
	extend = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`)

	// release gives the lock up if it is still held.
	release = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
`)
)
