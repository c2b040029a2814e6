"""One region cell: gate, dialects, jobs, studio, media."""
