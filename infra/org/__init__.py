"""The organisation's own guards: a small program with other rights than a cell's, run once for each jurisdiction."""
