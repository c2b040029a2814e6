"""Every error this package raises on purpose.

    EquerryError
      Refused            the caller can fix it: exit code 2, HTTP 4xx in a dialect
        BadMedia         an image or clip that cannot or must not be read
        BadPrompt        a prompt that cannot be used
        BadSize          a size that cannot be made
        BadLength        a number of seconds that cannot be made
        BadRequest       parts of the request that contradict each other
      Stopped            somebody asked for the end: exit code 75
      Unavailable        trying again later, or installing something, may help: exit code 69
      Broken             our fault, or a damaged installation: exit code 70
        BadWeights       weights that are missing, altered or not ours

An error's text is for the person who reads it: what is wrong, then what to do next.
"""

from typing import ClassVar


class EquerryError(Exception):
    """Something went wrong that this room has a name for."""

    exit_code: ClassVar[int] = 70


class Refused(EquerryError):
    """The request cannot be done as asked; the text says what to change."""

    exit_code = 2


class BadMedia(Refused):
    """An image or a clip cannot be read, or must not be."""


class BadPrompt(Refused):
    """A prompt cannot be used."""


class BadSize(Refused):
    """A size cannot be made."""


class BadLength(Refused):
    """A number of seconds cannot be made."""


class BadRequest(Refused):
    """Parts of a request contradict each other."""


class Stopped(EquerryError):
    """A film was cancelled."""

    exit_code = 75


class Unavailable(EquerryError):
    """Something needed is not at hand now."""

    exit_code = 69


class Broken(EquerryError):
    """Something of ours is damaged."""


class BadWeights(Broken):
    """Weights are missing, altered or not in the form that is trusted."""
