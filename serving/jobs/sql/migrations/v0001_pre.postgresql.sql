-- The store's clock. STABLE: one value for a whole statement.
CREATE FUNCTION now_ms() RETURNS BIGINT LANGUAGE sql STABLE AS
$$ SELECT CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT) $$;

CREATE TABLE store_floor (least BIGINT NOT NULL);
INSERT INTO store_floor (least) VALUES (0);

CREATE TABLE moves (origin TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY (origin, target));
INSERT INTO moves (origin, target) VALUES
  ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'failed'),
  ('running', 'queued'), ('running', 'succeeded'), ('running', 'failed'), ('running', 'cancelled'),
  ('succeeded', 'expired'), ('failed', 'expired'), ('cancelled', 'expired');

CREATE TABLE jobs (
  id TEXT COLLATE "C" PRIMARY KEY CHECK (length(id) = 32),
  tenant TEXT NOT NULL,
  jurisdiction TEXT NOT NULL,
  idempotency_key TEXT,
  fingerprint TEXT NOT NULL,
  session TEXT,
  state TEXT NOT NULL,
  priority BIGINT NOT NULL,
  deadline BIGINT,
  estimated_ms BIGINT NOT NULL CHECK (estimated_ms >= 0),
  fence BIGINT NOT NULL,
  lease_owner TEXT,
  lease_until BIGINT,
  attempts BIGINT NOT NULL CHECK (attempts >= 0),
  chunks BIGINT NOT NULL CHECK (chunks >= 0),
  chunks_done BIGINT NOT NULL CHECK (chunks_done >= 0),
  cancel_requested BOOLEAN NOT NULL,
  wanted TEXT NOT NULL,
  result TEXT,
  error TEXT,
  error_text TEXT,
  model TEXT NOT NULL,
  policy_digest TEXT NOT NULL,
  model_digest TEXT NOT NULL,
  webhook TEXT,
  created BIGINT NOT NULL,
  started BIGINT,
  finished BIGINT,
  expires BIGINT,
  deleted BIGINT,
  changed BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  UNIQUE (tenant, idempotency_key),
  CHECK ((state = 'running') = (lease_owner IS NOT NULL AND lease_until IS NOT NULL))
);
CREATE INDEX jobs_next ON jobs ((-priority), (COALESCE(deadline, 9223372036854775807)), created, id) WHERE state = 'queued';
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_of_tenant ON jobs (tenant, created, id);
CREATE INDEX jobs_fingerprints ON jobs (tenant, fingerprint, created);
CREATE INDEX jobs_expiry ON jobs (expires) WHERE state = 'succeeded';
CREATE INDEX jobs_ended ON jobs (finished) WHERE state IN ('failed', 'cancelled');
CREATE INDEX jobs_keys ON jobs (created) WHERE idempotency_key IS NOT NULL;

CREATE TABLE job_events (
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job TEXT NOT NULL REFERENCES jobs (id),
  at BIGINT NOT NULL,
  state TEXT NOT NULL,
  fence BIGINT NOT NULL,
  owner TEXT,
  note TEXT
);
CREATE INDEX job_events_of_job ON job_events (job, seq);

CREATE TABLE checkpoints (
  job TEXT NOT NULL REFERENCES jobs (id),
  chunk BIGINT NOT NULL CHECK (chunk >= 0),
  fence BIGINT NOT NULL,
  codes BYTEA NOT NULL,
  PRIMARY KEY (job, chunk)
);

CREATE TABLE usage (
  job TEXT PRIMARY KEY REFERENCES jobs (id),
  tenant TEXT NOT NULL,
  at BIGINT NOT NULL,
  line TEXT NOT NULL
);
CREATE INDEX usage_at ON usage (at, job);

CREATE TABLE outbox (
  event TEXT PRIMARY KEY,
  job TEXT NOT NULL REFERENCES jobs (id),
  tenant TEXT NOT NULL,
  state TEXT NOT NULL,
  address TEXT NOT NULL,
  at BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  delivered BIGINT
);
CREATE INDEX outbox_due ON outbox (next_at, event) WHERE delivered IS NULL;

CREATE TABLE artefacts (
  key TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  job TEXT REFERENCES jobs (id),
  sha256 TEXT NOT NULL,
  key_id TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  deleted BIGINT
);
CREATE INDEX artefacts_due ON artefacts (expires, key) WHERE deleted IS NULL;
CREATE INDEX artefacts_of_job ON artefacts (job);

CREATE FUNCTION job_legal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.fence < OLD.fence
    OR (NEW.state <> OLD.state
        AND NOT EXISTS (SELECT 1 FROM moves WHERE origin = OLD.state AND target = NEW.state))
  THEN
    RAISE EXCEPTION 'illegal move of a job' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER jobs_legal BEFORE UPDATE OF state, fence ON jobs FOR EACH ROW EXECUTE FUNCTION job_legal();

CREATE FUNCTION job_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO job_events (job, at, state, fence) VALUES (NEW.id, NEW.created, NEW.state, NEW.fence);
  PERFORM pg_notify('equerry_jobs', 'work');
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_made AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION job_made();

CREATE FUNCTION job_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO job_events (job, at, state, fence, owner, note)
  VALUES (NEW.id, NEW.changed, NEW.state, NEW.fence, COALESCE(NEW.lease_owner, OLD.lease_owner), NEW.error);
  IF NEW.state = 'queued' THEN
    PERFORM pg_notify('equerry_jobs', 'work');
  ELSIF NEW.state IN ('succeeded', 'failed', 'cancelled') THEN
    DELETE FROM checkpoints WHERE job = NEW.id;
    INSERT INTO outbox (event, job, tenant, state, address, at, next_at, tries)
    SELECT 'evt_' || NEW.id, NEW.id, NEW.tenant, NEW.state, NEW.webhook, NEW.changed, NEW.changed, 0
    WHERE NEW.webhook IS NOT NULL;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_moved AFTER UPDATE OF state ON jobs FOR EACH ROW WHEN (NEW.state <> OLD.state)
EXECUTE FUNCTION job_moved();

CREATE FUNCTION job_seen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('equerry_jobs', NEW.id);
  IF NEW.cancel_requested AND NOT OLD.cancel_requested AND NEW.state = 'running' THEN
    PERFORM pg_notify('equerry_jobs', 'cancel');
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_seen AFTER UPDATE OF revision ON jobs FOR EACH ROW EXECUTE FUNCTION job_seen();

CREATE FUNCTION job_events_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'events are only ever added' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER job_events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON job_events EXECUTE FUNCTION job_events_stay();
