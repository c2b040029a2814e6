"""Where a replica really is: read at start, compared with the cell that it is told to be, and graded.

`found` is what the world says (`node.py`, `papers.py`); `decision.py` compares it and gives the grade, or refuses.
"""

from serving.attest.attest import attest
from serving.attest.decision import Claim, Node, Paper, graded

__all__ = ["Claim", "Node", "Paper", "attest", "graded"]
