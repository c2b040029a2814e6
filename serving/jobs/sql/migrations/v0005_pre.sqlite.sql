CREATE TABLE unlogged (
  job TEXT PRIMARY KEY NOT NULL REFERENCES jobs (id),
  tenant TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX unlogged_at ON unlogged (at, job);

CREATE TRIGGER jobs_given_up AFTER UPDATE OF state ON jobs
WHEN NEW.state <> OLD.state AND NEW.state IN ('failed', 'cancelled')
BEGIN
  INSERT INTO unlogged (job, tenant, at) VALUES (NEW.id, NEW.tenant, NEW.changed);
  UPDATE artefacts SET expires = NEW.changed WHERE job = NEW.id AND expires > NEW.changed;
END;
