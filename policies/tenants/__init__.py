"""Customers, what binds them, and the keys that speak for them."""
