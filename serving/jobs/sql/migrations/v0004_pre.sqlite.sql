CREATE TABLE held_bytes (
  name TEXT PRIMARY KEY NOT NULL,
  tenant TEXT NOT NULL,
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX held_bytes_since ON held_bytes (since, name);

CREATE TABLE held_sums (
  tenant TEXT PRIMARY KEY NOT NULL,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER held_more AFTER INSERT ON held_bytes
BEGIN
  INSERT INTO held_sums (tenant, bytes) VALUES (NEW.tenant, NEW.bytes)
  ON CONFLICT (tenant) DO UPDATE SET bytes = held_sums.bytes + excluded.bytes;
END;

CREATE TRIGGER held_changed AFTER UPDATE OF bytes ON held_bytes
BEGIN
  UPDATE held_sums SET bytes = bytes + NEW.bytes - OLD.bytes WHERE tenant = NEW.tenant;
END;

CREATE TRIGGER held_less AFTER DELETE ON held_bytes
BEGIN
  UPDATE held_sums SET bytes = bytes - OLD.bytes WHERE tenant = OLD.tenant;
END;
