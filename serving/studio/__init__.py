"""The engine replica: pulls jobs, runs the model, checkpoints, renders, commits."""
