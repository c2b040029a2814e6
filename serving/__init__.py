"""One region cell: gate, jobs, studios, media, meter and telemetry. The room is empty so far."""
