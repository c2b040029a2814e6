"""Many cells in simulated time: what cannot be run here, with the same policy, admission and price code."""
