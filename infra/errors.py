"""Every error this room raises on purpose.

    InfraError
      Refused            the caller can fix it: exit code 2
        Impossible       a cell that cannot be had as described; the text names the nearest one that can
        Unconfirmed      a cell that rests on a fact that nobody has confirmed
        Changed          a plan that is not the one that was agreed
      Unavailable        something has to be installed first, or took too long: exit code 69
      Broken             our fault: exit code 70

An error's text is for the person who reads it: what is wrong, then what to do next. It never holds a secret.
"""

from typing import ClassVar


class InfraError(Exception):
    """Something went wrong that this room has a name for."""

    exit_code: ClassVar[int] = 70


class Refused(InfraError):
    """This cannot be done as asked; the text says what to change."""

    exit_code = 2


class Impossible(Refused):
    """There is no such cell to be had; the text names the nearest one."""


class Unconfirmed(Refused):
    """Nobody has confirmed what this cell rests on."""


class Changed(Refused):
    """The plan is not the one that was agreed."""


class Unavailable(InfraError):
    """Something has to be installed first, or took too long."""

    exit_code = 69


class Broken(InfraError):
    """Our fault."""
