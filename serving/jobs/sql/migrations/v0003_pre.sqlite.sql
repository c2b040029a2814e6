CREATE TABLE data_keys (
  id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 32),
  tenant TEXT NOT NULL,
  wrapped BLOB,
  made INTEGER NOT NULL,
  destroyed INTEGER,
  CHECK ((wrapped IS NULL) = (destroyed IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX data_keys_live ON data_keys (tenant) WHERE wrapped IS NOT NULL;
