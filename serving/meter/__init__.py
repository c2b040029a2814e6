"""What films cost and count for: usage, statements, quotas, costs, and the end of what was kept."""
