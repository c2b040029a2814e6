CREATE TABLE data_keys (
  id TEXT PRIMARY KEY CHECK (length(id) = 32),
  tenant TEXT NOT NULL,
  wrapped BYTEA,
  made BIGINT NOT NULL,
  destroyed BIGINT,
  CHECK ((wrapped IS NULL) = (destroyed IS NOT NULL))
);
CREATE UNIQUE INDEX data_keys_live ON data_keys (tenant) WHERE wrapped IS NOT NULL;
