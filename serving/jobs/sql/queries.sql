-- What the store asks of its database, for SQLite and Postgres alike.
--
-- A block begins with `-- :name NAME`; `-- :part NAME` is a piece that others take in as {NAME}. A line that ends in
-- `--@postgresql` or `--@sqlite` is for that database alone. `now_ms()` is the database's clock: a function that the
-- migrations make in Postgres, and that each connection to SQLite is given. Events, outbox rows, the end of checkpoints
-- and the check that a move is legal are triggers, so no query can forget them.

-- :part columns
id, tenant, state, wanted AS "order", priority, estimated_ms, chunks, chunks_done, fence, attempts, cancel_requested,
created, started, finished, deadline, expires, result, error, error_text, model, revision, jurisdiction, policy_digest,
model_digest, fingerprint, webhook, lease_owner AS owner, lease_until AS leased_until, deleted, due, terms, key,
reserved

-- :part seen
revision = revision + 1, changed = now_ms()

-- :part ended
finished = now_ms(), lease_owner = NULL, lease_until = NULL, {seen}

-- :part held
id = :id AND fence = :fence AND state = 'running'

-- :part place
-priority, COALESCE(due, deadline, 9223372036854775807), created, id

-- :name now
SELECT now_ms() AS now

-- :name floor
SELECT least FROM store_floor

-- Clients ------------------------------------------------------------------------------------------------------------

-- :name one_at_a_time
SELECT pg_advisory_xact_lock(hashtextextended(:tenant || '/' || :fingerprint, 0))

-- :name tenant_at_a_time
SELECT pg_advisory_xact_lock(hashtextextended(:tenant, 1))

-- :name tally
SELECT
  now_ms() AS now,
  (SELECT created FROM jobs WHERE {counted} AND created > now_ms() - 60000
   ORDER BY created DESC LIMIT 1 OFFSET :place) AS edge,
  (SELECT count(*) FROM jobs WHERE {counted} AND state IN ('queued', 'running')) AS open,
  (SELECT COALESCE(sum(reserved), 0) FROM jobs WHERE {counted} AND created >= :since AND reserved > 0) AS spent

-- :part counted
tenant = :tenant AND (:key = '' OR key = :key)

-- :name recent
SELECT {columns} FROM jobs
WHERE tenant = :tenant AND fingerprint = :fingerprint AND created >= now_ms() - :window_ms AND deleted IS NULL
ORDER BY created, id LIMIT 1

-- :name submit
INSERT INTO jobs (
  id, tenant, jurisdiction, idempotency_key, fingerprint, state, priority, deadline, estimated_ms, fence,
  attempts, chunks, chunks_done, cancel_requested, wanted, model, policy_digest, model_digest, webhook, created, changed,
  revision, due, terms, key, reserved)
VALUES (
  :id, :tenant, :jurisdiction, :idempotency_key, :fingerprint, 'queued', :priority,
  now_ms() + CAST(:start_within_ms AS BIGINT), :estimated_ms, 0, 0, :chunks, 0, FALSE, :order, :model, :policy_digest,
  :model_digest, :webhook, now_ms(), now_ms(), 0, now_ms() + CAST(:due_within_ms AS BIGINT), :terms, :key, :reserve)
ON CONFLICT DO NOTHING
RETURNING {columns}

-- :name submitted
SELECT {columns} FROM jobs
WHERE tenant = :tenant AND (id = :id OR idempotency_key = :idempotency_key)
ORDER BY (CASE WHEN id = :id THEN 0 ELSE 1 END) LIMIT 1

-- :name get
SELECT {columns} FROM jobs WHERE tenant = :tenant AND id = :id AND deleted IS NULL

-- :name get_all
-- The tenant is dressed up so that no planner goes through all jobs of a tenant for the sake of some.
SELECT {columns} FROM jobs WHERE id IN :ids AND tenant || '' IN :tenants AND deleted IS NULL

-- :name anchor
SELECT created FROM jobs WHERE tenant = :tenant AND id = :id

-- :part listed
tenant = :tenant AND deleted IS NULL AND state IN :states AND created >= :since AND created < :until
  AND (CAST(:model AS TEXT) IS NULL OR model = :model)

-- :name list_newest
SELECT {columns} FROM jobs WHERE {listed} AND (created, id) < (:after_created, :after)
ORDER BY created DESC, id DESC LIMIT :limit OFFSET :offset

-- :name list_oldest
SELECT {columns} FROM jobs WHERE {listed} AND (created, id) > (:after_created, :after)
ORDER BY created, id LIMIT :limit OFFSET :offset

-- :name count
SELECT count(*) AS total FROM jobs WHERE {listed}

-- :name ahead
WITH mine AS (
  SELECT -priority AS p, COALESCE(due, deadline, 9223372036854775807) AS d, created AS c, id AS i
  FROM jobs WHERE tenant = :tenant AND id = :id AND state = 'queued' AND deleted IS NULL)
SELECT
  (SELECT count(*) FROM jobs WHERE state = 'queued' AND ({place}) < (mine.p, mine.d, mine.c, mine.i)) AS jobs,
  (SELECT COALESCE(sum(estimated_ms), 0) FROM jobs
   WHERE state = 'queued' AND ({place}) < (mine.p, mine.d, mine.c, mine.i))
  + (SELECT COALESCE(sum({left_ms}), 0) FROM jobs WHERE state = 'running') AS work_ms
FROM mine

-- :name ahead_all
WITH line AS (
  SELECT id, tenant, row_number() OVER place - 1 AS jobs, sum(estimated_ms) OVER place - estimated_ms AS work_ms
  FROM jobs WHERE state = 'queued'
  WINDOW place AS (ORDER BY {place} ROWS UNBOUNDED PRECEDING))
SELECT id, tenant, jobs,
  work_ms + (SELECT COALESCE(sum({left_ms}), 0) FROM jobs WHERE state = 'running') AS work_ms
FROM line WHERE id IN :ids AND tenant IN :tenants

-- :part left_ms
estimated_ms - COALESCE(estimated_ms * chunks_done / NULLIF(chunks, 0), 0)

-- :name cancel_queued
UPDATE jobs SET state = 'cancelled', cancel_requested = TRUE, {ended}
WHERE tenant = :tenant AND id = :id AND deleted IS NULL AND state = 'queued'
RETURNING {columns}

-- :name cancel_running
UPDATE jobs SET cancel_requested = TRUE, {seen}
WHERE tenant = :tenant AND id = :id AND deleted IS NULL AND state = 'running' AND NOT cancel_requested
RETURNING {columns}

-- :name delete
UPDATE jobs SET
  deleted = now_ms(), wanted = '{}', webhook = NULL, session = NULL,
  result = NULL, cancel_requested = (cancel_requested OR state IN ('queued', 'running')),
  finished = (CASE WHEN state = 'queued' THEN now_ms() ELSE finished END), {seen},
  state = (CASE state WHEN 'queued' THEN 'cancelled' WHEN 'running' THEN 'running' ELSE 'expired' END)
WHERE tenant = :tenant AND id = :id AND deleted IS NULL
RETURNING {columns}

-- :name deleted
SELECT {columns} FROM jobs WHERE tenant = :tenant AND id = :id AND deleted IS NOT NULL

-- :name delete_artefacts
UPDATE artefacts SET expires = now_ms() WHERE job = :id AND expires > now_ms()

-- :name forget_address
UPDATE outbox SET address = '', delivered = COALESCE(delivered, now_ms()) WHERE event = 'evt_' || :id AND address <> ''

-- :name history
SELECT job, at, state, fence, owner, note FROM job_events
WHERE job = (SELECT id FROM jobs WHERE tenant = :tenant AND id = :id AND deleted IS NULL) ORDER BY seq

-- :name artefact
SELECT key, tenant, job, sha256, key_id, expires FROM artefacts
WHERE tenant = :tenant AND key = :key AND deleted IS NULL AND expires > now_ms()

-- Studios ------------------------------------------------------------------------------------------------------------

-- :name claim
WITH next AS MATERIALIZED (
  SELECT id FROM jobs
  WHERE state = 'queued' AND (deadline IS NULL OR deadline > now_ms())
  ORDER BY {place} LIMIT :most
  FOR UPDATE SKIP LOCKED --@postgresql
)
UPDATE jobs SET
  state = 'running', fence = fence + 1, attempts = attempts + 1, lease_owner = :owner,
  lease_until = now_ms() + :lease_ms, started = COALESCE(started, now_ms()), {seen}
WHERE id IN (SELECT id FROM next) AND state = 'queued'
RETURNING {columns}

-- :name renew
UPDATE jobs SET lease_until = now_ms() + :lease_ms WHERE {held} RETURNING {columns}

-- :name plan
UPDATE jobs SET chunks = :chunks, estimated_ms = :estimated_ms, {seen} WHERE {held} RETURNING {columns}

-- :name reach
UPDATE jobs SET chunks_done = :done, lease_until = now_ms() + :lease_ms, {seen}
WHERE {held} AND chunks_done = :done - 1
RETURNING {columns}

-- :name checkpoint
INSERT INTO checkpoints (job, chunk, fence, codes) VALUES (:id, :chunk, :fence, :codes) ON CONFLICT DO NOTHING

-- :name resume
SELECT chunk, codes FROM checkpoints WHERE job = :id ORDER BY chunk

-- :name note
INSERT INTO artefacts (key, tenant, job, sha256, key_id, created, expires)
SELECT :key, tenant, id, :sha256, :key_id, now_ms(), now_ms() + :orphan_ms FROM jobs
WHERE {held} AND tenant = :tenant
ON CONFLICT (key) DO UPDATE SET sha256 = excluded.sha256, key_id = excluded.key_id
  WHERE artefacts.job = excluded.job AND artefacts.deleted IS NULL
RETURNING key

-- :name complete
UPDATE jobs SET
  state = 'succeeded', result = :result, chunks_done = chunks, expires = now_ms() + :keep_ms, {ended}
WHERE {held} AND NOT cancel_requested
RETURNING {columns}

-- :name bill
INSERT INTO usage (job, tenant, at, line) VALUES (:id, :tenant, now_ms(), :usage)

-- :name keep_artefact
UPDATE artefacts SET expires = :expires WHERE key = :key AND job = :id AND deleted IS NULL RETURNING key

-- :name fail
UPDATE jobs SET state = 'failed', error = :error, error_text = :text, {ended} WHERE {held} RETURNING {columns}

-- :name hand_back
UPDATE jobs SET
  state = (CASE WHEN cancel_requested THEN 'cancelled' ELSE 'queued' END),
  finished = (CASE WHEN cancel_requested THEN now_ms() END),
  attempts = attempts - 1, lease_owner = NULL, lease_until = NULL, {seen}
WHERE {held}
RETURNING {columns}

-- :name stop
UPDATE jobs SET state = 'cancelled', {ended} WHERE {held} AND cancel_requested RETURNING {columns}

-- :name cancelled
SELECT id FROM jobs WHERE lease_owner = :owner AND state = 'running' AND cancel_requested

-- :name any_work
SELECT 1 AS one FROM jobs WHERE state = 'queued' AND (deadline IS NULL OR deadline > now_ms()) LIMIT 1

-- The house ----------------------------------------------------------------------------------------------------------

-- :name look
SELECT {columns} FROM jobs WHERE id = :id

-- :name board
SELECT {columns} FROM jobs WHERE state IN :states ORDER BY created DESC, id DESC LIMIT :limit

-- :name moves
SELECT job, at, state, fence, owner, note FROM job_events WHERE job = :id ORDER BY seq

-- :name backlog
SELECT {open} FROM jobs WHERE state IN ('queued', 'running')

-- :name backlogs
SELECT tenant, {open} FROM jobs WHERE state IN ('queued', 'running') GROUP BY tenant

-- :name earliest
SELECT min(created) AS created FROM jobs WHERE state IN ('queued', 'running')

-- :part open
  COALESCE(sum(CASE WHEN state = 'queued' THEN 1 ELSE 0 END), 0) AS queued,
  COALESCE(sum(CASE WHEN state = 'running' THEN 1 ELSE 0 END), 0) AS running,
  COALESCE(sum({left_ms}), 0) AS work_ms,
  min(CASE WHEN state = 'queued' THEN created END) AS oldest

-- :name reap_leases
UPDATE jobs SET
  state = (CASE WHEN cancel_requested THEN 'cancelled'
                WHEN attempts >= :most_attempts OR deadline <= now_ms() THEN 'failed' ELSE 'queued' END),
  error = (CASE WHEN cancel_requested THEN NULL
                WHEN attempts >= :most_attempts THEN 'attempts' WHEN deadline <= now_ms() THEN 'deadline' END),
  error_text = (CASE WHEN cancel_requested THEN NULL
                     WHEN attempts >= :most_attempts THEN :attempts_text
                     WHEN deadline <= now_ms() THEN :deadline_text END),
  finished = (CASE WHEN cancel_requested OR attempts >= :most_attempts OR deadline <= now_ms() THEN now_ms() END),
  lease_owner = NULL, lease_until = NULL, {seen}
WHERE state = 'running' AND lease_until <= now_ms()
RETURNING {columns}

-- :name shorten_leases
-- No lease is longer than this, unless the clock has gone back since it was taken.
UPDATE jobs SET lease_until = now_ms() + :lease_ms WHERE state = 'running' AND lease_until > now_ms() + :lease_ms

-- :name reap_late
UPDATE jobs SET state = 'failed', error = 'deadline', error_text = :deadline_text, {ended}
WHERE state = 'queued' AND deadline <= now_ms()
RETURNING {columns}

-- :name unlogged
SELECT job, tenant FROM unlogged ORDER BY at, job LIMIT :most

-- :name logged
DELETE FROM unlogged WHERE job IN :ids

-- :name expire
UPDATE jobs SET
  state = 'expired', wanted = '{}', webhook = NULL, session = NULL, result = NULL, {seen}
WHERE (state = 'succeeded' AND expires <= now_ms())
   OR (state IN ('failed', 'cancelled') AND finished <= now_ms() - :keep_failed_ms)
RETURNING {columns}

-- :name forget_keys
UPDATE jobs SET idempotency_key = NULL WHERE idempotency_key IS NOT NULL AND created <= now_ms() - :keep_key_ms

-- :name keep
INSERT INTO artefacts (key, tenant, job, sha256, key_id, created, expires)
VALUES (:key, :tenant, :job, :sha256, :key_id, now_ms(), :expires)
ON CONFLICT DO NOTHING

-- :name due_artefacts
SELECT key, tenant, job, sha256, key_id, expires FROM artefacts
WHERE deleted IS NULL AND expires <= now_ms()
  AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = artefacts.job AND jobs.state IN ('queued', 'running'))
ORDER BY expires, key LIMIT :most

-- :name gone
UPDATE artefacts SET deleted = now_ms() WHERE key = :key AND deleted IS NULL

-- :name usage
SELECT job, tenant, at, line FROM usage WHERE at >= :since AND at < :until ORDER BY at, job

-- :name due_parcels
-- Tenants take turns, since one whose hosts keep silent would hold up the others'. What is locked is looked at again.
WITH waiting AS MATERIALIZED (
  SELECT event AS which, next_at AS since, ROW_NUMBER() OVER (PARTITION BY tenant ORDER BY next_at, event) AS turn
  FROM outbox WHERE delivered IS NULL AND tries < :webhook_tries AND next_at <= now_ms()
), due AS MATERIALIZED (
  SELECT event FROM outbox JOIN waiting ON which = event
  WHERE delivered IS NULL AND tries < :webhook_tries AND next_at <= now_ms()
  ORDER BY turn, since, event LIMIT :most
  FOR UPDATE OF outbox SKIP LOCKED --@postgresql
)
UPDATE outbox SET tries = tries + 1, next_at = now_ms() + (CAST(:webhook_base_ms AS BIGINT) << CAST(tries AS INTEGER))
WHERE event IN (SELECT event FROM due)
RETURNING event, job, tenant, state, address, at, tries

-- :name delivered
UPDATE outbox SET delivered = now_ms() WHERE event = :event AND delivered IS NULL

-- Accounts -----------------------------------------------------------------------------------------------------------

-- :name in_hand
SELECT id, {left_ms} AS left_ms, estimated_ms, now_ms() - started AS worked_ms FROM jobs WHERE state = 'running'

-- :name in_line
SELECT id, priority, COALESCE(due, deadline) AS due, created, estimated_ms AS left_ms FROM jobs WHERE state = 'queued'
ORDER BY {place} LIMIT :most

-- :name newest_usage
SELECT job, tenant, at, line FROM usage ORDER BY at DESC, job DESC LIMIT :most

-- :name usage_of
SELECT job, tenant, at, line FROM usage WHERE at >= :since AND at < :until AND tenant = :tenant ORDER BY at, job

-- :name delivered_between
SELECT e.job, j.tenant, e.at FROM job_events e JOIN jobs j ON j.id = e.job
WHERE e.state = 'succeeded' AND e.at >= :since AND e.at < :until ORDER BY e.seq

-- :name accounts
SELECT subject, terms FROM accounts ORDER BY subject

-- :name set_account
INSERT INTO accounts (subject, terms, changed) VALUES (:subject, :terms, now_ms())
ON CONFLICT (subject) DO UPDATE SET terms = excluded.terms, changed = excluded.changed

-- :name drop_account
DELETE FROM accounts WHERE subject = :subject

-- :name turn_away
INSERT INTO turned_away (tenant, hour, reason, number) VALUES (:tenant, now_ms() / 3600000, :reason, 1)
ON CONFLICT (tenant, hour, reason) DO UPDATE SET number = turned_away.number + 1

-- :name turned_away
SELECT tenant, hour, reason, number FROM turned_away WHERE hour >= :since AND hour < :until ORDER BY tenant, hour, reason

-- :name made_between
SELECT {columns} FROM jobs WHERE tenant = :tenant AND created >= :since AND created < :until ORDER BY created, id

-- :name keep_window
INSERT INTO sla_windows (tenant, hour, line) VALUES (:tenant, :hour, :line) ON CONFLICT DO NOTHING

-- :name windows
SELECT tenant, hour, line, logged FROM sla_windows WHERE hour >= :since AND hour < :until ORDER BY tenant, hour

-- :name window_logged
UPDATE sla_windows SET logged = now_ms() WHERE tenant = :tenant AND hour = :hour AND logged IS NULL

-- :name ask_erasure
INSERT INTO erasures (id, tenant, asked) VALUES (:id, :tenant, now_ms()) ON CONFLICT DO NOTHING

-- :name erasures
SELECT id, tenant, asked, done, proof FROM erasures ORDER BY asked, id

-- :name erase_open
UPDATE jobs SET
  cancel_requested = TRUE, deleted = COALESCE(deleted, now_ms()),
  finished = (CASE WHEN state = 'queued' THEN now_ms() ELSE finished END), {seen},
  state = (CASE state WHEN 'queued' THEN 'cancelled' ELSE state END)
WHERE tenant = :tenant AND state IN ('queued', 'running')

-- :name erase_jobs
UPDATE jobs SET
  wanted = '{}', result = NULL, webhook = NULL, session = NULL, idempotency_key = NULL, error_text = NULL,
  fingerprint = '', deleted = COALESCE(deleted, now_ms()), {seen}, state = 'expired'
WHERE tenant = :tenant AND state NOT IN ('queued', 'running')
  AND NOT (state = 'expired' AND wanted = '{}' AND fingerprint = '')
RETURNING id

-- :name erase_outbox
UPDATE outbox SET address = '', delivered = COALESCE(delivered, now_ms()) WHERE tenant = :tenant AND address <> ''

-- :name erase_artefacts
UPDATE artefacts SET expires = now_ms() WHERE tenant = :tenant AND deleted IS NULL AND expires > now_ms()

-- :name still_open
SELECT count(*) AS number FROM jobs WHERE tenant = :tenant AND state IN ('queued', 'running')

-- :name erased
UPDATE erasures SET done = now_ms(), proof = :proof WHERE id = :id AND done IS NULL

-- :name data_key
SELECT id, tenant, wrapped FROM data_keys WHERE tenant = :tenant AND wrapped IS NOT NULL

-- :name keep_data_key
INSERT INTO data_keys (id, tenant, wrapped, made) VALUES (:id, :tenant, :wrapped, now_ms()) ON CONFLICT DO NOTHING

-- :name destroy_data_key
UPDATE data_keys SET wrapped = NULL, destroyed = now_ms() WHERE tenant = :tenant AND wrapped IS NOT NULL

-- :name data_keys
SELECT id FROM data_keys WHERE tenant = :tenant ORDER BY made, id

-- :name live_data_keys
SELECT id FROM data_keys WHERE wrapped IS NOT NULL LIMIT 1

-- :name erase_held
DELETE FROM held_bytes WHERE tenant = (SELECT tenant FROM erasures WHERE id = :id)

-- :name forget
PRAGMA wal_checkpoint(TRUNCATE) --@sqlite
SELECT 0 AS busy --@postgresql

-- Room ---------------------------------------------------------------------------------------------------------------

-- :name hold_bytes
INSERT INTO held_bytes (name, tenant, bytes, since) VALUES (:own, :tenant, :size, now_ms())
ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes, since = excluded.since

-- :name settle_bytes
INSERT INTO held_bytes (name, tenant, bytes, since)
SELECT :own, tenant, bytes, now_ms() FROM held_bytes WHERE name = :draft
ON CONFLICT (name) DO NOTHING

-- :name count_bytes
INSERT INTO held_bytes (name, tenant, bytes, since) VALUES (:own, :tenant, :bytes, now_ms())
ON CONFLICT (name) DO NOTHING

-- :name free_bytes
DELETE FROM held_bytes WHERE name = :own

-- :name bytes_held
SELECT bytes FROM held_sums WHERE tenant = :tenant

-- :name held_before
SELECT name, tenant, bytes FROM held_bytes WHERE since < :before AND name LIKE :shape ORDER BY since, name LIMIT :most

-- :name known_bytes
SELECT name AS key FROM held_bytes WHERE name IN :keys

-- :name living
SELECT key FROM artefacts WHERE key IN :keys AND deleted IS NULL
