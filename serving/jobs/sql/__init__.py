"""The job store in SQLite and in Postgres: one set of queries, numbered migrations, and where the two differ."""
