-- The tables of a cell's tenants and keys, and every statement that touches them.
-- Instants are milliseconds since 1970-01-01 UTC. Every statement about a tenant's rows names the tenant, save `find`,
-- which is how a key tells whose it is.

-- name: schema
CREATE TABLE cell (
  one INTEGER PRIMARY KEY CHECK (one = 1),      -- a folder belongs to one cell
  name TEXT NOT NULL,
  pepper BLOB NOT NULL CHECK (length(pepper) = 32),   -- names the pepper without giving it away
  revision INTEGER NOT NULL                     -- grows with every change to tenants or keys
) STRICT;
CREATE TABLE ceilings (
  digest TEXT PRIMARY KEY CHECK (length(digest) = 64),
  body BLOB NOT NULL                            -- canonical JSON; never deleted, since old decisions refer to it
) STRICT, WITHOUT ROWID;
CREATE TABLE tenants (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  ceiling TEXT NOT NULL REFERENCES ceilings (digest),
  sla TEXT NOT NULL,
  opened INTEGER NOT NULL,
  closed INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE keys (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL REFERENCES tenants (id),
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  label TEXT NOT NULL,
  wish BLOB NOT NULL,
  made INTEGER NOT NULL,
  expires INTEGER,
  revoked INTEGER,
  successor TEXT REFERENCES keys (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_of_tenant ON keys (tenant, made, id);
CREATE TABLE notices (
  number INTEGER PRIMARY KEY AUTOINCREMENT,     -- never used twice, even after the highest was dropped
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  tenant TEXT NOT NULL REFERENCES tenants (id),
  at INTEGER NOT NULL,
  old TEXT,
  new TEXT
) STRICT;

-- name: add_cell
INSERT INTO cell (one, name, pepper, revision) VALUES (1, :name, :pepper, 0);

-- name: cell
SELECT name, pepper FROM cell;

-- name: revision
SELECT revision FROM cell;

-- name: grow
UPDATE cell SET revision = revision + 1;

-- name: find
SELECT t.id, t.name, t.ceiling, t.sla, t.opened, t.closed,
       k.id, k.tenant, k.digest, k.label, k.wish, k.made, k.expires, k.revoked, k.successor
FROM keys AS k JOIN tenants AS t ON t.id = k.tenant
WHERE k.id = :key;

-- name: tenant
SELECT id, name, ceiling, sla, opened, closed FROM tenants WHERE id = :tenant;

-- name: tenants
SELECT id, name, ceiling, sla, opened, closed FROM tenants ORDER BY opened, id;

-- name: keys
SELECT id, tenant, digest, label, wish, made, expires, revoked, successor
FROM keys WHERE tenant = :tenant ORDER BY made, id;

-- name: ceiling
SELECT body FROM ceilings WHERE digest = :digest;

-- name: put_ceiling
INSERT INTO ceilings (digest, body) VALUES (:digest, :body) ON CONFLICT (digest) DO NOTHING;

-- name: put_tenant
INSERT INTO tenants (id, name, ceiling, sla, opened, closed) VALUES (:id, :name, :ceiling, :sla, :opened, :closed)
ON CONFLICT (id) DO UPDATE SET name = :name, ceiling = :ceiling, sla = :sla, opened = :opened, closed = :closed;

-- name: put_key
INSERT INTO keys (id, tenant, digest, label, wish, made, expires, revoked, successor)
VALUES (:id, :tenant, :digest, :label, :wish, :made, :expires, :revoked, :successor)
ON CONFLICT (id) DO UPDATE SET digest = :digest, label = :label, wish = :wish, made = :made, expires = :expires,
  revoked = :revoked, successor = :successor
WHERE tenant = :tenant;

-- name: put_notice
INSERT INTO notices (id, kind, tenant, at, old, new) VALUES (:id, :kind, :tenant, :at, :old, :new);

-- name: notices
SELECT id, kind, tenant, at, old, new, number FROM notices ORDER BY number LIMIT :most;

-- name: drop_notices
DELETE FROM notices WHERE number <= :up_to;
