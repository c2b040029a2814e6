"""What is allowed: regions, rules, service levels, prices and the residency log. The room is empty so far."""
