-- One exchange with the store: loads at a version, commits, and what has been committed since the client last asked.
--
-- KEYS, all of one hash slot:
--   1 meta    hash    format, version and anchor (who made the latest commit), history (how many commits old views may be)
--   2 data    hash    key -> record: 8 bytes version, 1 byte kind, value
--   3 index   zset    every key of data, all with score 0: ordered by bytes
--   4 feed    stream  VERSION-1: by (who committed), after (by of the version before), keys (each as LENGTH:KEY)
--   5 undo    stream  VERSION-n: key, the record that this version superseded, ...; none where nothing was superseded;
--                     neither logged nor replicated: what is missing after a restart is forgotten
--   6 graves  zset    deleted keys by the version that deleted them
--   7 writer  string  SEQUENCE:OUTCOME,OUTCOME,... of this client's latest commits
--
-- Kinds of records: F the key was absent before and nothing is to be undone, L it has a predecessor in undo,
-- T it is deleted (and has a predecessor).
--
-- ARGV: applied, anchor, instance, sequence, mode ('run' or 'recall'), page, then
--   number of loads, each: 'k', view, number of keys, keys... | 'r', view, lower bound, upper bound, page
--   number of commits, each: numbers of reads, scans, puts, deletes, stamped; reads..., scans..., key and value of each put,
--   deletes..., kind and value of each stamped write
--
-- Answers {'lost'} where the feed does not continue what the client has seen, otherwise
--   {'ok' or 'behind', version, entries {version, by, after, keys, ...}, loads, outcomes}
-- 'behind': more than a page has been committed since `applied`; nothing was committed now.
-- A load of keys answers {'k', record or false, ...}, one of a range {'r', last key looked at or false, key, record, ...}, a
-- stale one 'stale'. An outcome is one more than the version committed as, or 0 for a conflict; none: never committed,
-- and never will be.
local META, DATA, INDEX, FEED, UNDO, GRAVES, WRITER = unpack(KEYS)

-- As many arguments as unpack takes in one call, with room to spare; even.
local CHUNK = 4000
-- Seconds for which outcomes are kept for a client that has lost the answer.
local KEEP = 3600

local cursor = 0
local function take()
  cursor = cursor + 1
  return ARGV[cursor]
end
local function number() return tonumber(take()) end
local function several(count)
  local list = {}
  for i = 1, count do list[i] = ARGV[cursor + i] end
  cursor = cursor + count
  return list
end
local function text(version) return string.format('%.0f', version) end

-- A command over a list of any length; the answers, where they are arrays, in one.
local function call(name, key, list)
  if #list == 0 then return {} end
  if #list <= CHUNK then return redis.call(name, key, unpack(list)) end
  local all = {}
  for first = 1, #list, CHUNK do
    local part = redis.call(name, key, unpack(list, first, math.min(first + CHUNK - 1, #list)))
    if type(part) == 'table' then
      for _, item in ipairs(part) do all[#all + 1] = item end
    end
  end
  return all
end

local function keys_of(blob)
  local keys, at = {}, 1
  while at <= #blob do
    local colon = string.find(blob, ':', at, true)
    local size = tonumber(string.sub(blob, at, colon - 1))
    keys[#keys + 1] = string.sub(blob, colon + 1, colon + size)
    at = colon + size + 1
  end
  return keys
end

local applied, anchor, instance, sequence, mode, page = number(), take(), take(), number(), take(), number()
local meta = redis.call('HMGET', META, 'version', 'history', 'anchor')
local version, history, latest = tonumber(meta[1]), tonumber(meta[2]), meta[3]
if not version or version < applied then return {'lost'} end
local seen = redis.call('XRANGE', FEED, text(applied) .. '-1', '+', 'COUNT', page + 2)
if not seen[1] or seen[1][1] ~= text(applied) .. '-1' or seen[1][2][2] ~= anchor then return {'lost'} end
if #seen < page + 2 and #seen ~= version - applied + 1 then return {'lost'} end

local entries = {}
for i = 2, #seen do
  local fields = seen[i][2]
  entries[#entries + 1] = applied + i - 1
  entries[#entries + 1] = fields[2]
  entries[#entries + 1] = fields[4]
  entries[#entries + 1] = fields[6]
end

-- ---------------------------------------------------------------------------------------------------------- loads

local undone = {}
-- The record that a version superseded; '' where there was none, nil where that is forgotten.
local function before(key, superseding)
  local id = text(superseding)
  local saved = undone[id]
  if not saved then
    local parts = redis.call('XRANGE', UNDO, id, id)
    if not parts[1] then return nil end
    saved = {}
    for _, part in ipairs(parts) do
      local fields = part[2]
      for i = 1, #fields, 2 do saved[fields[i]] = fields[i + 1] end
    end
    undone[id] = saved
  end
  return saved[key]
end

-- The record of a key as of a view, false where absent, nil where forgotten.
local function as_of(key, record, view)
  while record do
    local written, kind = struct.unpack('>I8', record), string.sub(record, 9, 9)
    if written <= view then return kind ~= 'T' and record end
    if kind == 'F' then return false end
    record = before(key, written)
    if record == nil then return nil end
  end
  return false
end

local loads = {}
for index = 1, number() do
  local what, view = take(), number()
  local stale = view < version - history
  local answer = {what}
  if what == 'k' then
    local keys = several(number())
    if not stale then
      local records = call('HMGET', DATA, keys)
      for i, key in ipairs(keys) do
        local record = as_of(key, records[i], view)
        if record == nil then stale = true break end
        answer[i + 1] = record
      end
    end
  else
    local low, high, size = take(), take(), number()
    if not stale then
      local keys = redis.call('ZRANGEBYLEX', INDEX, low, high, 'LIMIT', 0, size)
      local records = call('HMGET', DATA, keys)
      answer[2] = #keys == size and keys[size]
      for i, key in ipairs(keys) do
        local record = as_of(key, records[i], view)
        if record == nil then stale = true break end
        if record then
          answer[#answer + 1] = key
          answer[#answer + 1] = record
        end
      end
    end
  end
  loads[index] = stale and 'stale' or answer
end

-- -------------------------------------------------------------------------------------------------------- commits

local changed, changes
local function note_change(key)
  if not changed[key] then
    changed[key] = true
    changes[#changes + 1] = key
  end
end
local function conflicts(reads, scans)
  if not changed then
    changed, changes = {}, {}
    for i = 2, #seen do
      for _, key in ipairs(keys_of(seen[i][2][6])) do note_change(key) end
    end
  end
  for _, key in ipairs(reads) do
    if changed[key] then return true end
  end
  for _, prefix in ipairs(scans) do
    for _, key in ipairs(changes) do
      if string.sub(key, 1, #prefix) == prefix then return true end
    end
  end
  return false
end

local function commit(by)
  local reads, scans, puts, deletes, stamped = number(), number(), number(), number(), number()
  reads, scans, puts, deletes = several(reads), several(scans), several(2 * puts), several(deletes)
  stamped = several(2 * stamped)
  if conflicts(reads, scans) then return 0 end

  local next = version + 1
  local head = struct.pack('>I8', next)
  local written, records, undo, fresh, dead = {}, {}, {}, {}, {}
  local wanted = {}
  for i = 1, #puts, 2 do wanted[#wanted + 1] = puts[i] end
  for _, key in ipairs(deletes) do wanted[#wanted + 1] = key end
  local olds = call('HMGET', DATA, wanted)
  local function write(key, old, kind, value)
    written[#written + 1] = key
    records[#records + 1] = key
    records[#records + 1] = head .. kind .. value
    if old then
      undo[#undo + 1] = key
      undo[#undo + 1] = old
    else
      fresh[#fresh + 1] = 0
      fresh[#fresh + 1] = key
    end
  end
  for i = 1, #puts, 2 do
    local old = olds[(i + 1) / 2]
    write(puts[i], old, old and 'L' or 'F', puts[i + 1])
  end
  for i, key in ipairs(deletes) do
    local old = olds[#puts / 2 + i]
    if old and string.sub(old, 9, 9) ~= 'T' then
      write(key, old, 'T', '')
      dead[#dead + 1] = text(next)
      dead[#dead + 1] = key
    end
  end
  for i = 1, #stamped, 2 do
    write(string.format('%s/16:%016x,16:%016x,', stamped[i], next, (i - 1) / 2), false, 'F', stamped[i + 1])
  end
  if #written == 0 then return version + 1 end

  version = next
  local id = text(version)
  call('HSET', DATA, records)
  call('ZADD', INDEX, fresh)
  call('ZADD', GRAVES, dead)
  -- For views that are open now: a server that starts again finds such views stale, so its log does without.
  redis.set_repl(redis.REPL_NONE)
  for first = 1, #undo, CHUNK do
    local part = id .. '-' .. (first - 1) / CHUNK + 1
    redis.call('XADD', UNDO, 'MAXLEN', '~', history, part, unpack(undo, first, math.min(first + CHUNK - 1, #undo)))
  end
  redis.set_repl(redis.REPL_ALL)
  local blob = {}
  for i, key in ipairs(written) do blob[i] = #key .. ':' .. key end
  blob = table.concat(blob)
  redis.call('XADD', FEED, 'MAXLEN', '~', history, id .. '-1', 'by', by, 'after', latest, 'keys', blob)
  for _, key in ipairs(written) do note_change(key) end
  entries[#entries + 1] = version
  entries[#entries + 1] = by
  entries[#entries + 1] = latest
  entries[#entries + 1] = blob
  latest = by
  return version + 1
end

-- Forgets some deleted keys that no view can see any more.
local function bury(count)
  local floor = version - history
  local keys = redis.call('ZRANGEBYSCORE', GRAVES, '-inf', text(floor), 'LIMIT', 0, count)
  if #keys == 0 then return end
  local records, gone = call('HMGET', DATA, keys), {}
  for i, key in ipairs(keys) do
    local record = records[i]
    if record and string.sub(record, 9, 9) == 'T' and struct.unpack('>I8', record) <= floor then
      gone[#gone + 1] = key
    end
  end
  call('HDEL', DATA, gone)
  call('ZREM', INDEX, gone)
  call('ZREM', GRAVES, keys)
end

local status, outcomes = 'ok', {}
if sequence > 0 then
  local last, known = string.match(redis.call('GET', WRITER) or '0:', '^(%d+):(.*)$')
  last = tonumber(last)
  if last > sequence then
    return redis.error_reply('SUPERSEDED commits ' .. text(sequence) .. ' came after ' .. text(last))
  elseif last == sequence then
    for outcome in string.gmatch(known, '%d+') do outcomes[#outcomes + 1] = tonumber(outcome) end
  elseif mode == 'recall' then
    redis.call('SET', WRITER, text(sequence) .. ':', 'EX', KEEP)
  elseif #seen == page + 2 then
    status = 'behind'
  else
    local started, said = version, {}
    local count = number()
    for i = 1, count do
      outcomes[i] = commit(instance .. ':' .. text(sequence) .. ':' .. (i - 1))
      said[i] = text(outcomes[i])
    end
    if version > started then
      redis.call('HSET', META, 'version', text(version), 'anchor', latest)
      bury(16 + 4 * count)
      -- What committed nothing may run again: a conflict stays one, since the feed only grows.
      redis.call('SET', WRITER, text(sequence) .. ':' .. table.concat(said, ','), 'EX', KEEP)
    end
  end
end
return {status, version, entries, loads, outcomes}
