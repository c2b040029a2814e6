"""Runs the pack: `pulumi preview --policy-pack infra/guard`, or `python -m pulumi.policy ENGINE infra/guard`."""

import sys
from pathlib import Path

# The engine runs a pack in its own folder, from which the rooms of this repository cannot be seen.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.guard.pack import serve

serve()
