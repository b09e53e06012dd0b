-- Removes keys of one bucket, as long as the recovery that wants it is the one that holds the bucket.
--
-- KEYS  the mark, then the keys to remove
-- ARGV  what stands where the mark is while that recovery goes on
-- Gives how many keys were there to be removed; nothing (nil) if something else stands there by now.

local stored = redis.pcall('GET', KEYS[1])
if type(stored) == 'table' and stored.err and not string.find(stored.err, 'WRONGTYPE', 1, true) then
  return stored
end
if stored ~= ARGV[1] then
  return nil
end
return redis.call('UNLINK', unpack(KEYS, 2))
