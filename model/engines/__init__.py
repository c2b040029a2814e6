"""The engines: one loop that deals with films, and what it drives, plain torch or vLLM."""
