CREATE TABLE held_bytes (
  name TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  bytes BIGINT NOT NULL CHECK (bytes >= 0),
  since BIGINT NOT NULL
);
CREATE INDEX held_bytes_since ON held_bytes (since, name);

CREATE TABLE held_sums (
  tenant TEXT PRIMARY KEY,
  bytes BIGINT NOT NULL
);

CREATE FUNCTION held_more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO held_sums (tenant, bytes) VALUES (NEW.tenant, NEW.bytes)
  ON CONFLICT (tenant) DO UPDATE SET bytes = held_sums.bytes + excluded.bytes;
  RETURN NULL;
END $$;
CREATE TRIGGER held_more AFTER INSERT ON held_bytes FOR EACH ROW EXECUTE FUNCTION held_more();

CREATE FUNCTION held_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE held_sums SET bytes = bytes + NEW.bytes - OLD.bytes WHERE tenant = NEW.tenant;
  RETURN NULL;
END $$;
CREATE TRIGGER held_changed AFTER UPDATE OF bytes ON held_bytes FOR EACH ROW EXECUTE FUNCTION held_changed();

CREATE FUNCTION held_less() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE held_sums SET bytes = bytes - OLD.bytes WHERE tenant = OLD.tenant;
  RETURN NULL;
END $$;
CREATE TRIGGER held_less AFTER DELETE ON held_bytes FOR EACH ROW EXECUTE FUNCTION held_less();
