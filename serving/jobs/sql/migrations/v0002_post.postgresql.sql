DROP INDEX jobs_next;
UPDATE store_floor SET least = 2;
