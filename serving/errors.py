"""Every error this room raises on purpose. A dialect gives each its own HTTP status, code and shape.

    CellError
      Refused              the caller can fix it
        Unauthenticated    no key, or one that is not known here
        Forbidden          the key may not do this; nothing of the body was read
        WrongCell          another cell serves this key
        UnknownModel       no such model here
        UnknownJob         no such job for this tenant: never made, another's, deleted or expired, all alike
        UnknownPath        no such address
        WrongMethod        the address is there, and does not do this
        BadField           one field of a request is missing or wrong
          Missing          it is not there
          BadType          it has the wrong JSON type
          BadMedia         it names media that cannot or must not be read
        TooLarge           the body, or a part of it, is beyond its bound
        TooSlow            the body, or the rest of it, does not come
        NotPossible        the job's state does not allow this
        NotReady           the film is not there yet
        Expired            the film was there and is kept no longer
        Conflict           an idempotency key that was used for something else
        Blocked            the content is not made here
      Limited              the caller should slow down or wait
      Unavailable          trying again later may help
        StaleFence         the job has moved on to another worker
      Broken               our fault

An error's text is for the person who reads it: what is wrong, then what to do next. It never holds a prompt or a key.
"""

from __future__ import annotations

from typing import ClassVar


class CellError(Exception):
    """Something went wrong that this room has a name for."""

    exit_code: ClassVar[int] = 70


class Refused(CellError):
    """This cannot be done as asked; the text says what to change."""

    exit_code = 2


class Unauthenticated(Refused):
    """There is no key, or it is not known here."""


class Forbidden(Refused):
    """The key may not do this."""


class WrongCell(Refused):
    """Another cell serves this key."""


class UnknownModel(Refused):
    """There is no such model here."""


class UnknownJob(Refused):
    """There is no such job for this tenant."""


class UnknownPath(Refused):
    """There is no such address."""


class WrongMethod(Refused):
    """The address does not do this."""

    def __init__(self, text: str, allow: str = "") -> None:
        super().__init__(text)
        self.allow = allow  # methods that it has, as the Allow header spells them (RFC 9110)


class BadField(Refused):
    """One field of a request is wrong."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field  # as the caller spells it


class Missing(BadField):
    """A field that is needed is not there."""


class BadType(BadField):
    """A field has the wrong JSON type."""


class BadMedia(BadField):
    """A field names media that cannot be read, or must not be."""


class TooLarge(Refused):
    """The body, or a part of it, is beyond its bound."""


class TooSlow(Refused):
    """The body, or the rest of it, does not come."""


class NotPossible(Refused):
    """The job's state does not allow this."""


class NotReady(Refused):
    """The film is not there yet."""


class Expired(Refused):
    """The film was there and is kept no longer."""


class Conflict(Refused):
    """The idempotency key was used for another request."""


class Blocked(Refused):
    """The content is not made here."""


class Limited(CellError):
    """There is too much at once."""

    exit_code = 69

    def __init__(self, text: str, retry_after: int, *, quota: bool = False) -> None:
        super().__init__(text)
        self.retry_after = retry_after  # seconds, honest
        self.quota = quota  # waiting alone does not help before then


class Unavailable(CellError):
    """Trying again later may help."""

    exit_code = 69


class StaleFence(Unavailable):
    """The job has moved on to another worker; whatever this one has made is dropped."""


class Broken(CellError):
    """Our fault."""
