"""Numbered changes of the store's tables, each in two halves: *pre* only adds, and runs before the first new worker
starts; *post* tightens, and runs after the last old worker has gone."""
