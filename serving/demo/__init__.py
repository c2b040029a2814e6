"""Two cells on this machine, and a client, an operator and an auditor who use them as they would anywhere."""
