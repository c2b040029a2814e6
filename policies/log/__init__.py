"""The residency log: who was decided where, in a form that third parties verify with tools of their own."""
