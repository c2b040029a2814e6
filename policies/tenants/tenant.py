"""A customer: an opaque id for logs, a name for people, and a ceiling that nobody beneath may lift."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NewType

from policies.constraints import Constraints
from policies.errors import Malformed
from policies.tenants.keytext import Draw

__all__ = ["MOST_NAME", "Instant", "Tenant", "TenantId", "new_tenant_id", "tenant_id", "tenant_name"]

TenantId = NewType("TenantId", str)  # `t-` and 16 hexadecimal digits, drawn at random: it says nothing of the customer
Instant = NewType("Instant", int)  # milliseconds since 1970-01-01 UTC, without leap seconds
MOST_NAME: Final = 120  # letters


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A customer of one cell. The same customer in two cells is two tenants, which know nothing of each other."""

    id: TenantId
    name: str = field(repr=False)  # for people at the command line; never in a log, which a repr may reach
    ceiling: Constraints  # keys and requests only narrow it
    sla: str  # the class of service, by its name in the SLA data
    opened: Instant
    closed: Instant | None = None  # from then on none of its keys opens anything, whatever the clock says later


def tenant_id(text: str) -> TenantId:
    """The id of a tenant, checked. Raises Malformed."""
    if not re.fullmatch(r"t-[0-9a-f]{16}", text):
        raise Malformed("The id of a tenant is t- and 16 hexadecimal digits; `equerry tenant list` shows them.")
    return TenantId(text)


def new_tenant_id(draw: Draw) -> TenantId:
    """An id that no other tenant has, and that tells nothing."""
    return TenantId(f"t-{draw(8).hex()}")


def tenant_name(text: str) -> str:
    """A name that can be shown on one line. Raises Malformed."""
    name = text.strip()
    if not 0 < len(name) <= MOST_NAME or not name.isprintable():
        raise Malformed(f"A tenant's name is 1 to {MOST_NAME} printable letters on one line.")
    return name
