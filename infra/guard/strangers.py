"""Values that name another place: another region, or an address that is not the cell's own.

A cell knows no other cell. So a name such as `eu-central-1`, in an endpoint, an ARN or a bucket, and a private address
outside the cell's /16 can only be a mistake or a leak.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from ipaddress import IPv4Network
from typing import Final

from infra.guard.border import Border
from infra.guard.seen import Seen, leaves
from infra.spec import PRIVATE

__all__ = ["addresses", "names"]

_ADDRESS: Final = re.compile(r"(?<![0-9.])((?:[0-9]{1,3}\.){3}[0-9]{1,3})(/[0-9]{1,2})?(?![0-9.])")
#: Ranges of services inside Kubernetes are virtual: no packet with such an address leaves a node.
_VIRTUAL: Final = frozenset({"serviceIpv4Cidr", "serviceCidr", "servicesIpv4Cidr", "servicesIpv4CidrBlock"})
_VIRTUAL_TOO: Final = frozenset({"dnsServiceIP", "dnsServiceIp", "serviceDnsIp"})


def names(seen: Seen, border: Border) -> Iterator[str]:
    """No value names another region."""
    pattern = _pattern(border.others)
    for path, value in leaves(seen.inputs):
        found = pattern.search(value.lower()) if isinstance(value, str) else None
        if found:
            yield f'{path} names {found[0]}, which is another region: "{_cut(str(value))}". Remove it.'


def addresses(seen: Seen, border: Border) -> Iterator[str]:
    """No value holds a private address of another network."""
    for path, value in leaves(seen.inputs):
        if not isinstance(value, str) or path.rpartition(".")[2] in _VIRTUAL | _VIRTUAL_TOO:
            continue
        for network in _networks(value):
            if any(network.subnet_of(private) for private in PRIVATE) and not network.subnet_of(border.network):
                yield f"{path} holds {network}, which is not of the cell's own {border.network}. Remove it."


def _networks(text: str) -> Iterator[IPv4Network]:
    for found in _ADDRESS.finditer(text):
        try:
            yield IPv4Network(found[1] + (found[2] or ""), strict=False)
        except ValueError:
            continue  # four numbers that are no address, such as a version


@cache
def _pattern(others: frozenset[str]) -> re.Pattern[str]:
    """Longest first, so that europe-west10 is not taken for europe-west1."""
    joined = "|".join(re.escape(name) for name in sorted(others, key=lambda name: (-len(name), name)))
    return re.compile(rf"(?<![a-z0-9])(?:{joined})(?![0-9])")


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
