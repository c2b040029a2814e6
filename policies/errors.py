"""Every error this package raises on purpose.

    PolicyError
      Refused            the caller can fix it: exit code 2
        Malformed        bytes or a file that are not what they claim to be
        Untrusted        a signature that is missing, wrong, or by a key that nobody trusts
      Unavailable        trying again later, or installing something, may help: exit code 69
      Broken             our fault, or damage: exit code 70
        Doubt            a log whose state cannot be relied on, so it does not start

An error's text is for the person who reads it: what is wrong, then what to do next. It never holds a secret.
"""

from typing import ClassVar


class PolicyError(Exception):
    """Something went wrong that this package has a name for."""

    exit_code: ClassVar[int] = 70


class Refused(PolicyError):
    """This cannot be done as asked; the text says what to change."""

    exit_code = 2


class Malformed(Refused):
    """These bytes are not what they claim to be."""


class Untrusted(Refused):
    """A signature is missing, wrong, or by a key that nobody trusts."""


class Unavailable(PolicyError):
    """Something needed is not at hand now."""

    exit_code = 69


class Broken(PolicyError):
    """Something of ours is damaged."""


class Doubt(Broken):
    """The log's state cannot be relied on; it does not start until a person has looked."""
