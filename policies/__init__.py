"""What is allowed: regions, rules, tenants, service levels, prices and the residency log.

This room decides and records. It imports no other room, so that an auditor can read and run it alone.
"""
