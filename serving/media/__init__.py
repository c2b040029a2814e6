"""What comes in and what goes out: uploads, guarded fetching, objects, signed links."""
