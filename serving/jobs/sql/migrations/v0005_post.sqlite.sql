UPDATE store_floor SET least = 5;
