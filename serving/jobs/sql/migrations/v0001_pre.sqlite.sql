CREATE TABLE store_floor (least INTEGER NOT NULL) STRICT;
INSERT INTO store_floor (least) VALUES (0);

CREATE TABLE moves (origin TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY (origin, target)) STRICT, WITHOUT ROWID;
INSERT INTO moves (origin, target) VALUES
  ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'failed'),
  ('running', 'queued'), ('running', 'succeeded'), ('running', 'failed'), ('running', 'cancelled'),
  ('succeeded', 'expired'), ('failed', 'expired'), ('cancelled', 'expired');

CREATE TABLE jobs (
  id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 32),
  tenant TEXT NOT NULL,
  jurisdiction TEXT NOT NULL,
  idempotency_key TEXT,
  fingerprint TEXT NOT NULL,
  session TEXT,
  state TEXT NOT NULL,
  priority INTEGER NOT NULL,
  deadline INTEGER,
  estimated_ms INTEGER NOT NULL CHECK (estimated_ms >= 0),
  fence INTEGER NOT NULL,
  lease_owner TEXT,
  lease_until INTEGER,
  attempts INTEGER NOT NULL CHECK (attempts >= 0),
  chunks INTEGER NOT NULL CHECK (chunks >= 0),
  chunks_done INTEGER NOT NULL CHECK (chunks_done >= 0),
  cancel_requested INTEGER NOT NULL CHECK (cancel_requested IN (0, 1)),
  wanted TEXT NOT NULL,
  result TEXT,
  error TEXT,
  error_text TEXT,
  model TEXT NOT NULL,
  policy_digest TEXT NOT NULL,
  model_digest TEXT NOT NULL,
  webhook TEXT,
  created INTEGER NOT NULL,
  started INTEGER,
  finished INTEGER,
  expires INTEGER,
  deleted INTEGER,
  changed INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  UNIQUE (tenant, idempotency_key),
  CHECK ((state = 'running') = (lease_owner IS NOT NULL AND lease_until IS NOT NULL))
) STRICT;
CREATE INDEX jobs_next ON jobs (-priority, COALESCE(deadline, 9223372036854775807), created, id) WHERE state = 'queued';
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_of_tenant ON jobs (tenant, created, id);
CREATE INDEX jobs_fingerprints ON jobs (tenant, fingerprint, created);
CREATE INDEX jobs_expiry ON jobs (expires) WHERE state = 'succeeded';
CREATE INDEX jobs_ended ON jobs (finished) WHERE state IN ('failed', 'cancelled');
CREATE INDEX jobs_keys ON jobs (created) WHERE idempotency_key IS NOT NULL;

CREATE TABLE job_events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  job TEXT NOT NULL REFERENCES jobs (id),
  at INTEGER NOT NULL,
  state TEXT NOT NULL,
  fence INTEGER NOT NULL,
  owner TEXT,
  note TEXT
) STRICT;
CREATE INDEX job_events_of_job ON job_events (job, seq);

CREATE TABLE checkpoints (
  job TEXT NOT NULL REFERENCES jobs (id),
  chunk INTEGER NOT NULL CHECK (chunk >= 0),
  fence INTEGER NOT NULL,
  codes BLOB NOT NULL,
  PRIMARY KEY (job, chunk)
) STRICT;

CREATE TABLE usage (
  job TEXT PRIMARY KEY NOT NULL REFERENCES jobs (id),
  tenant TEXT NOT NULL,
  at INTEGER NOT NULL,
  line TEXT NOT NULL
) STRICT;
CREATE INDEX usage_at ON usage (at, job);

CREATE TABLE outbox (
  event TEXT PRIMARY KEY NOT NULL,
  job TEXT NOT NULL REFERENCES jobs (id),
  tenant TEXT NOT NULL,
  state TEXT NOT NULL,
  address TEXT NOT NULL,
  at INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  delivered INTEGER
) STRICT;
CREATE INDEX outbox_due ON outbox (next_at, event) WHERE delivered IS NULL;

CREATE TABLE artefacts (
  key TEXT PRIMARY KEY NOT NULL,
  tenant TEXT NOT NULL,
  job TEXT REFERENCES jobs (id),
  sha256 TEXT NOT NULL,
  key_id TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  deleted INTEGER
) STRICT;
CREATE INDEX artefacts_due ON artefacts (expires, key) WHERE deleted IS NULL;
CREATE INDEX artefacts_of_job ON artefacts (job);

CREATE TRIGGER jobs_legal BEFORE UPDATE OF state, fence ON jobs
WHEN NEW.fence < OLD.fence
  OR (NEW.state <> OLD.state
      AND NOT EXISTS (SELECT 1 FROM moves WHERE origin = OLD.state AND target = NEW.state))
BEGIN
  SELECT RAISE(ABORT, 'illegal move of a job');
END;

CREATE TRIGGER jobs_made AFTER INSERT ON jobs
BEGIN
  INSERT INTO job_events (job, at, state, fence) VALUES (NEW.id, NEW.created, NEW.state, NEW.fence);
END;

CREATE TRIGGER jobs_moved AFTER UPDATE OF state ON jobs WHEN NEW.state <> OLD.state
BEGIN
  INSERT INTO job_events (job, at, state, fence, owner, note)
  VALUES (NEW.id, NEW.changed, NEW.state, NEW.fence, COALESCE(NEW.lease_owner, OLD.lease_owner), NEW.error);
END;

CREATE TRIGGER jobs_ended AFTER UPDATE OF state ON jobs
WHEN NEW.state <> OLD.state AND NEW.state IN ('succeeded', 'failed', 'cancelled')
BEGIN
  DELETE FROM checkpoints WHERE job = NEW.id;
  INSERT INTO outbox (event, job, tenant, state, address, at, next_at, tries)
  SELECT 'evt_' || NEW.id, NEW.id, NEW.tenant, NEW.state, NEW.webhook, NEW.changed, NEW.changed, 0
  WHERE NEW.webhook IS NOT NULL;
END;

CREATE TRIGGER job_events_stay BEFORE UPDATE ON job_events
BEGIN
  SELECT RAISE(ABORT, 'events are only ever added');
END;

CREATE TRIGGER job_events_last BEFORE DELETE ON job_events
BEGIN
  SELECT RAISE(ABORT, 'events are only ever added');
END;
