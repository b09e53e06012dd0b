-- Writes the contacts of one bucket that are still as they were read, each all or nothing, each on its own.
--
-- KEYS  per contact: its key, then the keys of its new replies
-- ARGV  retention of contacts (ms), retention of replies (ms), then per contact:
--       what the stored value begins with if it is of the version read ('' if it was absent),
--       the new value, the number of new replies, the replies
-- Gives the positions (from 1) of the contacts that lost: another wrote them since they were read.
--
-- Safe to apply twice, as clients do when an answer is lost: the second time every contact loses, is read again,
-- and its replies are found decided.
-- A script is refused before its first write if memory is short and never after it, so no contact is half written.

local contact_ms, reply_ms = ARGV[1], ARGV[2]
local losers = {}
local key, arg, position = 1, 3, 1

while key <= #KEYS do
  local head, value, replies = ARGV[arg], ARGV[arg + 1], tonumber(ARGV[arg + 2])
  -- Where the head is '' the range is the whole value, which equals '' only if there is none.
  local stored = redis.pcall('GETRANGE', KEYS[key], 0, #head - 1)
  if type(stored) == 'table' then
    stored = '' -- not a string: absent to the MGET that read it, and SET replaces it
  end
  if stored == head then
    redis.call('SET', KEYS[key], value, 'PX', contact_ms)
    for reply = 1, replies do
      redis.call('SET', KEYS[key + reply], ARGV[arg + 2 + reply], 'PX', reply_ms)
    end
  else
    losers[#losers + 1] = position
  end
  key, arg, position = key + 1 + replies, arg + 3 + replies, position + 1
end

return losers
