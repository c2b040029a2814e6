"""What was agreed with one tenant, or for one key of it: limits, currency, how long films are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from policies.money import Currency
from serving.errors import Broken, Refused
from serving.meter.quotas import Quota

__all__ = ["Account", "quotas_of", "subject"]

MOST: Final = 10**12  # of anything; more is a slip of the hand
HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Terms of a tenant or key; None leaves a term as the cell has it."""

    per_minute: int | None = None  # films taken on in any 60 s
    open: int | None = None  # films that wait or are being made
    spend: int | None = None  # in a calendar month, minor unit
    currency: Currency | None = None  # of a tenant; a key has its tenant's
    keep_hours: int | None = None  # how long a film of this tenant can be fetched

    def __post_init__(self) -> None:
        for name in ("per_minute", "open", "spend", "keep_hours"):
            value = getattr(self, name)
            if value is not None and not (name != "spend") <= value <= MOST:
                raise Refused(f"{name} is a whole number from {int(name != 'spend')} to {MOST:,}, not {value}.")

    @property
    def empty(self) -> bool:
        """Whether it says nothing."""
        return self == Account()

    def write(self) -> str:
        """As JSON, without what it leaves open."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})

    @classmethod
    def read(cls, text: str) -> Account:
        """From what `write` gave. Raises Broken."""
        try:
            told: dict[str, Any] = json.loads(text)
            named: dict[str, Any] = {each.name: told.get(each.name) for each in fields(cls)}
            currency = named["currency"]
            return cls(**{**named, "currency": None if currency is None else Currency(currency)})
        except (ValueError, TypeError, AttributeError):
            raise Broken("The terms of an account cannot be read. Set them again with `equerry meter limit`.") from None


def subject(tenant: str, key: str = "") -> str:
    """How the store names whose terms they are."""
    return f"{tenant}/{key}" if key else tenant


def quotas_of(accounts: Mapping[str, Account], tenant: str, key: str) -> tuple[Quota, ...]:
    """What holds for a request of this key: its tenant's limits and its own."""
    found = []
    for each in ("", key) if key else ("",):
        account = accounts.get(subject(tenant, each))
        if account is not None and (account.per_minute, account.open, account.spend) != (None, None, None):
            found.append(Quota(key=each, per_minute=account.per_minute, open=account.open, spend=account.spend))
    return tuple(found)
