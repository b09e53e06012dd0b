-- Writes the contacts of some buckets that are still as they were read, each all or nothing, each on its own; and the
-- buckets' marks. Nothing at all is written if a mark is not as it should be: then its bucket has lost something.
--
-- KEYS  the marks; then per contact: its key, then the keys of its new replies
-- ARGV  the number of marks; retention of contacts (ms), retention of replies (ms); then
--       per mark: what may stand there other than a high enough mark; requests, outcomes at least; the new mark, or ''
--       per contact: what the stored value begins with if it is of the version read ('' if it was absent),
--       the new value, how old its new replies are (ms), their number, the replies
-- Gives the positions (from 1) of the contacts that lost: another wrote them since they were read. Then the marks stay
-- as they are, since they would vouch for what is not written. Gives nothing (nil) if a mark was not as it should be.
--
-- Safe to apply twice, as clients do when an answer is lost: the second time every contact loses, is read again,
-- and its replies are found decided; and a mark never goes back.
-- A script is refused before its first write if memory is short and never after it, so no contact is half written.

-- The times stay text, as they go into a command again: to write a number out costs Redis 0.5 us each time.
local marks, contact_ms, reply_ms = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local arg = 4
local MARK = '^(%d+) (%d+) (%d+) ' -- of a mark with a space behind it: a later version may say more there
local new = {}

-- What a key holds. What is not a string is absent, as it is to the MGET that read it, and SET replaces it; any other
-- error, such as a right that the user lacks, is the script's own.
local function text(answer)
  if type(answer) == 'table' and answer.err then
    if string.find(answer.err, 'WRONGTYPE', 1, true) then
      return ''
    end
    return nil, answer
  end
  return answer or ''
end

for key = 1, marks do
  local stored, failure = text(redis.pcall('GET', KEYS[key]))
  if failure then
    return failure
  end
  local requests, outcomes, replies = string.match(stored .. ' ', MARK)
  if requests then
    requests, outcomes, replies = tonumber(requests), tonumber(outcomes), tonumber(replies)
  end
  local is_high_enough = requests and requests >= tonumber(ARGV[arg + 1]) and outcomes >= tonumber(ARGV[arg + 2])
  new[key] = ARGV[arg + 3]
  -- What is to be written is there already if the answer to an earlier try was lost.
  local is_written = stored == new[key] and stored ~= ''
  if not (stored == ARGV[arg] or is_written or is_high_enough) then
    return nil
  end
  local r, o, p = string.match(new[key] .. ' ', MARK)
  if r and is_high_enough then
    new[key] = string.format('%.0f %.0f %.0f',
      math.max(r, requests), math.max(o, outcomes), math.max(p, replies))
  end
  arg = arg + 4
end

local losers = {}
local key, position = marks + 1, 1

while key <= #KEYS do
  local head, value, age_ms, replies = ARGV[arg], ARGV[arg + 1], ARGV[arg + 2], tonumber(ARGV[arg + 3])
  -- Where the head is '' the range is the whole value, which equals '' only if there is none.
  local stored, failure = text(redis.pcall('GETRANGE', KEYS[key], 0, #head - 1))
  if failure then
    return failure
  end
  if stored == head then
    redis.call('SET', KEYS[key], value, 'PX', contact_ms)
    local left_ms = age_ms == '0' and reply_ms or string.format('%.0f', math.max(1, reply_ms - age_ms))
    for reply = 1, replies do
      redis.call('SET', KEYS[key + reply], ARGV[arg + 3 + reply], 'PX', left_ms)
    end
  else
    losers[#losers + 1] = position
  end
  key, arg, position = key + 1 + replies, arg + 4 + replies, position + 1
end

if #losers == 0 then
  for key = 1, marks do
    if new[key] ~= '' then
      redis.call('SET', KEYS[key], new[key])
    end
  end
end

return losers
