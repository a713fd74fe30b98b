"""The scripts of search jobs: each runs in Redis as one step, by Redis's own clock.

Keys beside those of a search (``visearch/store/redis/jobs.py``), where ``<job>`` is the name of the
answer that a search asks for:

- ``visearch:job:<job>:leader``: the search that is computed; ``…:followers``: those that wait for
  its answer, oldest first.
- ``visearch:pictures:<job>``: the picture, while one of them waits to be computed.
- ``visearch:answers:<id>``: the answer that the search ``<id>`` computed; ``visearch:cache:<job>``
  names the latest.
- ``visearch:pictures`` and ``visearch:answers``: sorted sets of ``<size>:<name>`` by the time until
  which each is kept; ``…:bytes``: the sums of those sizes. Only ``keep`` and ``drop`` write them.

Redis refuses the writes of a script when it is full only until a first write has passed. A script
that ends what was begun starts with a write that needs no memory: it is never refused.
"""

from __future__ import annotations

# Times are milliseconds; ARGV[1] is a search's id, ARGV[2] how long a finished one can be read,
# ARGV[3] how long it may take.
_COMMON = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, RETENTION, WITHIN = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local PICTURES, ANSWERS = 'visearch:pictures', 'visearch:answers'
local SLACK = 5000

local function search(name) return 'visearch:search:3:' .. name end
local function seen(name) return 'visearch:seen:' .. name end
local function leader(job) return 'visearch:job:' .. job .. ':leader' end
local function followers(job) return 'visearch:job:' .. job .. ':followers' end
local function text(number) return string.format('%.0f', number) end

local function total(room) return tonumber(redis.call('GET', room .. ':bytes') or 0) end

local function drop(room, member)
  local size, name = string.match(member, '^(%d+):(.+)$')
  redis.call('DEL', room .. ':' .. name)
  if redis.call('ZREM', room, member) == 1 then redis.call('DECRBY', room .. ':bytes', size) end
end

local function sweep(room)
  local over = redis.call('ZRANGEBYSCORE', room, '-inf', text(now), 'LIMIT', 0, 100)
  for _, member in ipairs(over) do drop(room, member) end
end

-- Without bytes, what is there is kept for longer.
local function keep(room, name, till, bytes)
  local key = room .. ':' .. name
  if bytes then redis.call('SET', key, bytes) end
  local size = redis.call('STRLEN', key)
  if redis.call('ZADD', room, text(till), size .. ':' .. name) == 1 then
    redis.call('INCRBY', room .. ':bytes', size)
  end
  redis.call('PEXPIREAT', key, text(till + SLACK))
end

local function release(room, name)
  local size = redis.call('STRLEN', room .. ':' .. name)
  if size > 0 then drop(room, size .. ':' .. name) end
end

local function finish(name, status, field, value)
  local key = search(name)
  redis.call('PEXPIRE', key, RETENTION)
  redis.call('HDEL', key, 'query')
  redis.call('HSET', key, 'status', status, 'finished_at', text(now))
  if field then redis.call('HSET', key, field, value) end
  redis.call('PUBLISH', 'visearch:searches', name)
end

-- Whether a search has no end yet; one past its deadline had it then, whoever looks first.
local function live(name)
  local known = redis.call('HMGET', search(name), 'status', 'deadline')
  if known[1] ~= 'queued' and known[1] ~= 'running' then return false end
  if now <= tonumber(known[2]) then return true end
  finish(name, 'expired', 'finished_at', known[2])
  return false
end

local function leads(job, name) return redis.call('GET', leader(job)) == name end

-- The job's leader ends without an answer: the next follower leads. Returns the search to be
-- queued and its request, or nothing.
local function pass_on(job)
  local name
  repeat name = redis.call('LPOP', followers(job)) until not name or live(name)
  if name then
    redis.call('SET', leader(job), name, 'PX', text(WITHIN + SLACK))
    return {name, redis.call('HGET', search(name), 'request_id')}
  end
  redis.call('DEL', leader(job))
  release(PICTURES, job)
  return {}
end
"""

# A search that has no picture yet is held: it has no job, and nobody leads or follows. Returns
# {created, deadline}.
HOLD = (
    _COMMON
    + """
local created, deadline = text(now), text(now + WITHIN)
redis.call('SET', seen(id), '', 'PX', ARGV[5])
redis.call('HSET', search(id), 'status', 'queued', 'catalog', ARGV[4], 'created_at', created,
           'deadline', deadline)
redis.call('PEXPIRE', search(id), text(WITHIN + RETENTION))
return {created, deadline}
"""
)

# Returns {what became of it, created, deadline, answer, the search to be queued in its stead}:
# 'succeeded', 'queued' (send it), 'following', or 'searches' or 'pictures', of which too many wait.
# One that was held keeps its times; it may be 'over' by now.
ACCEPT = (
    _COMMON
    + """
local job, picture, most = ARGV[4], ARGV[8], tonumber(ARGV[9])
local from = redis.call('GET', 'visearch:cache:' .. job)
local body = from and redis.call('GET', ANSWERS .. ':' .. from)
local created, deadline, till = text(now), text(now + WITHIN), now + WITHIN
if ARGV[12] == '1' then
  if not live(id) then return {'over', created, deadline, '', {}} end
  created, deadline = unpack(redis.call('HMGET', search(id), 'created_at', 'deadline'))
  till = tonumber(deadline)
end
local record = {'catalog', ARGV[5], 'created_at', created, 'deadline', deadline}
if body then
  redis.call('SET', seen(id), '', 'PX', ARGV[11])
  redis.call('HSET', search(id), 'status', 'succeeded', 'cached', '1', 'finished_at', text(now),
             'answer', from, unpack(record))
  redis.call('PEXPIRE', search(id), RETENTION)
  if ARGV[12] == '1' then redis.call('PUBLISH', 'visearch:searches', id) end
  keep(ANSWERS, from, now + RETENTION)
  return {'succeeded', created, deadline, body, {}}
end
if redis.call('LLEN', KEYS[1]) >= most then return {'searches', created, deadline, '', {}} end
sweep(PICTURES)
local ahead, chosen = redis.call('GET', leader(job)), {}
if ahead and not live(ahead) then
  chosen = pass_on(job)
  ahead = chosen[1]
end
if ahead and redis.call('LLEN', followers(job)) >= most then
  return {'searches', created, deadline, '', chosen}
end
local size = #picture
if size > 0 and redis.call('EXISTS', PICTURES .. ':' .. job) == 0 then
  local waiting = total(PICTURES)
  if waiting > 0 and waiting + size > tonumber(ARGV[10]) then
    return {'pictures', created, deadline, '', chosen}
  end
else
  picture = nil
end
redis.call('SET', seen(id), '', 'PX', ARGV[11])
redis.call('HSET', search(id), 'status', 'queued', 'job', job, 'query', ARGV[6], 'request_id',
           ARGV[7], unpack(record))
redis.call('PEXPIRE', search(id), text(WITHIN + RETENTION))
if size > 0 then keep(PICTURES, job, till, picture) end
if not ahead then
  redis.call('SET', leader(job), id, 'PX', text(WITHIN + SLACK))
  return {'queued', created, deadline, '', {}}
end
redis.call('RPUSH', followers(job), id)
redis.call('PEXPIRE', followers(job), text(WITHIN + SLACK))
return {'following', created, deadline, '', chosen}
"""
)

WITHDRAW = (
    _COMMON
    + """
local job = redis.call('HGET', search(id), 'job')
redis.call('DEL', search(id), seen(id))
-- Where others follow, the first of them that is read takes the lead.
if job and leads(job, id) and redis.call('EXISTS', followers(job)) == 0 then pass_on(job) end
"""
)

# Returns {the search to be queued in its stead}, or, if it was taken, {{}, the milliseconds left
# and waited, query, request, picture}.
TAKE = (
    _COMMON
    + """
local known = redis.call('HMGET', search(id), 'status', 'job', 'created_at', 'deadline', 'query',
                         'request_id')
local job = known[2]
if known[1] ~= 'queued' or not job or not leads(job, id) then return {{}} end
redis.call('PERSIST', seen(''))
if not live(id) then return {pass_on(job)} end
redis.call('HSET', search(id), 'status', 'running')
local picture = redis.call('GET', PICTURES .. ':' .. job)
if redis.call('EXISTS', followers(job)) == 0 then release(PICTURES, job) end
return {{}, known[4] - now, now - known[3], known[5], known[6], picture}
"""
)

# The answer is kept, and cached, whatever became of the search: it is right. Returns {whether the
# search has taken the status, the search to be queued in its stead}.
FINISH = (
    _COMMON
    + """
local status, body, cache, shared = ARGV[4], ARGV[5], ARGV[6], ARGV[7] == '1'
local known = redis.call('HMGET', search(id), 'status', 'job')
local job, was = known[2], known[1]
local ahead = job and leads(job, id)
local field, value
redis.call('PERSIST', seen(''))
if status == 'failed' then field, value = 'failure', body end
if status == 'succeeded' then
  field, value, shared = 'answer', id, true
  if cache ~= '' or ahead or was == 'running' then
    sweep(ANSWERS)
    release(ANSWERS, id)
    while total(ANSWERS) + #body > tonumber(ARGV[8]) do
      local oldest = redis.call('ZRANGE', ANSWERS, 0, 0)[1]
      if not oldest then break end
      drop(ANSWERS, oldest)
    end
    keep(ANSWERS, id, now + RETENTION, body)
    if cache ~= '' then redis.call('SET', 'visearch:cache:' .. cache, id, 'PX', ARGV[9]) end
  end
end
local moved, chosen = 0, {}
if live(id) then
  finish(id, status, field, value)
  moved = 1
  if was == 'running' and status == 'cancelled' then
    redis.call('PUBLISH', 'visearch:cancelled', id)
  end
end
if ahead and shared then
  for _, name in ipairs(redis.call('LRANGE', followers(job), 0, -1)) do
    if live(name) then finish(name, status, field, value) end
  end
  redis.call('DEL', followers(job), leader(job))
  release(PICTURES, job)
elseif ahead then
  chosen = pass_on(job)
end
return {moved, chosen}
"""
)

# Whoever reads the search afterwards finds no answer.
FORGET = _COMMON + "release(ANSWERS, id)"

# Returns {a search to be queued, the fields, the answer}, or {{}, whether it was ever accepted}.
READ = (
    _COMMON
    + """
local known = redis.call('HMGET', search(id), 'status', 'job')
local status, job, chosen = known[1], known[2], {}
if not status then return {{}, redis.call('EXISTS', seen(id))} end
if status == 'queued' or status == 'running' then
  local mine = job and leads(job, id)
  if not live(id) then
    if mine then chosen = pass_on(job) end
  elseif job and not mine then
    local ahead = redis.call('GET', leader(job))
    if not ahead or not live(ahead) then chosen = pass_on(job) end
  end
end
local fields = redis.call('HMGET', search(id), 'status', 'catalog', 'created_at', 'deadline',
                          'finished_at', 'cached', 'failure', 'answer')
return {chosen, fields, fields[8] and redis.call('GET', ANSWERS .. ':' .. fields[8])}
"""
)
