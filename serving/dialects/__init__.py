"""Foreign wire forms and our vocabulary: each dialect reads and writes one, and they do not know each other."""
