"""What is promised before a job is taken on, and whether it was kept."""
