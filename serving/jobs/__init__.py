"""Jobs that never vanish: their states as a table, and the stores that keep them."""
