ALTER TABLE jobs ADD COLUMN due INTEGER;
ALTER TABLE jobs ADD COLUMN terms TEXT NOT NULL DEFAULT '{}';
ALTER TABLE jobs ADD COLUMN key TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0);

CREATE INDEX jobs_due ON jobs (-priority, COALESCE(due, deadline, 9223372036854775807), created, id) WHERE state = 'queued';
CREATE INDEX jobs_open ON jobs (tenant) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_reserved ON jobs (tenant, created, reserved) WHERE reserved > 0;

CREATE TRIGGER jobs_released AFTER UPDATE OF state ON jobs
WHEN NEW.reserved > 0 AND NEW.state IN ('failed', 'cancelled')
BEGIN
  UPDATE jobs SET reserved = 0 WHERE id = NEW.id;
END;

CREATE TABLE accounts (
  subject TEXT PRIMARY KEY NOT NULL,
  terms TEXT NOT NULL,
  changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE turned_away (
  tenant TEXT NOT NULL,
  hour INTEGER NOT NULL,
  reason TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (tenant, hour, reason)
) STRICT, WITHOUT ROWID;
CREATE INDEX turned_away_hours ON turned_away (hour);

CREATE TABLE sla_windows (
  tenant TEXT NOT NULL,
  hour INTEGER NOT NULL,
  line TEXT NOT NULL,
  logged INTEGER,
  PRIMARY KEY (tenant, hour)
) STRICT, WITHOUT ROWID;
CREATE INDEX sla_windows_hours ON sla_windows (hour);

CREATE TABLE erasures (
  id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 32),
  tenant TEXT NOT NULL,
  asked INTEGER NOT NULL,
  done INTEGER,
  proof TEXT
) STRICT, WITHOUT ROWID;
