CREATE TABLE unlogged (
  job TEXT COLLATE "C" PRIMARY KEY REFERENCES jobs (id),
  tenant TEXT NOT NULL,
  at BIGINT NOT NULL
);
CREATE INDEX unlogged_at ON unlogged (at, job);

CREATE FUNCTION job_given_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO unlogged (job, tenant, at) VALUES (NEW.id, NEW.tenant, NEW.changed);
  UPDATE artefacts SET expires = NEW.changed WHERE job = NEW.id AND expires > NEW.changed;
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_given_up AFTER UPDATE OF state ON jobs FOR EACH ROW
WHEN (NEW.state <> OLD.state AND NEW.state IN ('failed', 'cancelled')) EXECUTE FUNCTION job_given_up();
