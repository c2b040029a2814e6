ALTER TABLE jobs ADD COLUMN due BIGINT;
ALTER TABLE jobs ADD COLUMN terms TEXT NOT NULL DEFAULT '{}';
ALTER TABLE jobs ADD COLUMN key TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN reserved BIGINT NOT NULL DEFAULT 0 CHECK (reserved >= 0);

CREATE INDEX jobs_due ON jobs ((-priority), (COALESCE(due, deadline, 9223372036854775807)), created, id)
WHERE state = 'queued';
CREATE INDEX jobs_open ON jobs (tenant) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_reserved ON jobs (tenant, created) INCLUDE (reserved) WHERE reserved > 0;

CREATE FUNCTION job_released() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.reserved := 0;
  RETURN NEW;
END $$;
CREATE TRIGGER jobs_released BEFORE UPDATE OF state ON jobs FOR EACH ROW
WHEN (NEW.reserved > 0 AND NEW.state IN ('failed', 'cancelled')) EXECUTE FUNCTION job_released();

CREATE TABLE accounts (
  subject TEXT PRIMARY KEY,
  terms TEXT NOT NULL,
  changed BIGINT NOT NULL
);

CREATE TABLE turned_away (
  tenant TEXT NOT NULL,
  hour BIGINT NOT NULL,
  reason TEXT NOT NULL,
  number BIGINT NOT NULL,
  PRIMARY KEY (tenant, hour, reason)
);
CREATE INDEX turned_away_hours ON turned_away (hour);

CREATE TABLE sla_windows (
  tenant TEXT NOT NULL,
  hour BIGINT NOT NULL,
  line TEXT NOT NULL,
  logged BIGINT,
  PRIMARY KEY (tenant, hour)
);
CREATE INDEX sla_windows_hours ON sla_windows (hour);

CREATE TABLE erasures (
  id TEXT PRIMARY KEY CHECK (length(id) = 32),
  tenant TEXT NOT NULL,
  asked BIGINT NOT NULL,
  done BIGINT,
  proof TEXT
);
