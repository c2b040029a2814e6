"""`python -m serving.conform`, which is `equerry conform`."""

from serving.conform.cli import app

app(prog_name="equerry conform")
