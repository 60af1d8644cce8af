-- Opens a store: creates it where there is none, or takes its version past `at_least` where it has lost data.
-- KEYS: as in exchange.lua. ARGV: format, at_least, id, history.
-- Answers {version, anchor, history}, or {'foreign', reason}.
local META, DATA, FEED = KEYS[1], KEYS[2], KEYS[4]
local format, at_least, id, history = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]

local function text(number) return string.format('%.0f', number) end

local meta = redis.call('HMGET', META, 'format', 'version', 'history')
if meta[1] and meta[1] ~= format then
  return {'foreign', 'it has format ' .. meta[1] .. ', not ' .. format}
end
local version = tonumber(meta[2])
if not version then
  if redis.call('EXISTS', DATA, FEED) > 0 then
    return {'foreign', 'there is data without a version'}
  end
  redis.call('HSET', META, 'format', format, 'history', history)
else
  history = meta[3]
end
local last = redis.call('XREVRANGE', FEED, '+', '-', 'COUNT', 1)[1]
if version and version >= at_least and last and last[1] == text(version) .. '-1' then
  return {version, last[2][2], tonumber(history)}
end
-- An entry without keys at a version that nobody has seen: whoever knows an older one learns that the thread is broken.
version = math.max(version and version + 1 or 0, at_least)
local anchor = 'open:' .. id
redis.call('XADD', FEED, text(version) .. '-1', 'by', anchor, 'after', last and last[2][2] or '', 'keys', '')
redis.call('HSET', META, 'version', text(version), 'anchor', anchor)
return {version, anchor, tonumber(history)}
