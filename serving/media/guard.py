"""Which addresses of clients this cell may call: decided on the text of the address, then on what its host resolves to.

What may surprise:

* A host is read in one way only. Forms that some libraries take for an IPv4 address, such as `127.1`, `0x7f.0.0.1` or
  `2130706433`, are refused rather than understood, so that no two readers can disagree about where an address leads.
* If one of a host's addresses must not be called, none is.
* Of IPv6 only 2000::/3 counts as public, less the parts that carry an IPv4 address inside. Special-purpose blocks are
  those of the IANA registries (RFC 6890 and its updates).

A refusal names the host at most: paths and queries of addresses often hold secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from serving.errors import BadMedia

IP = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MOST_LETTERS: Final = 4_096  # of one address
USUAL_PORT: Final = {"https": 443, "http": 80}
_LABEL: Final = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME: Final = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")  # as a last label this makes a host an IPv4 address (WHATWG URL)
_HOST: Final = re.compile(
    r"\[(?P<six>[0-9a-f:.]+)\](?::(?P<p6>[0-9]{1,5}))?|(?P<name>[^\[\]:]*)(?::(?P<p>[0-9]{1,5}))?"
)

#: Never called, whatever the settings say: this network, link-local with the clouds' metadata, multicast, broadcast.
FORBIDDEN: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32", "224.0.0.0/4",
        "255.255.255.255/32", "::/128", "fe80::/10", "fec0::/10", "fd00:ec2::254/128", "ff00::/8",
    )
)  # fmt: skip

#: Called only when the settings name them as `inner`: private, loopback, shared (CGNAT), documentation, reserved, and
#: IPv6 blocks that carry an IPv4 address (Teredo, 6to4) or lead nowhere in public.
SPECIAL: Final = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
_PUBLIC_SIX: Final = IPv6Network("2000::/3")
_ISATAP: Final = 0x5EFE  # in bits 32..47 of an IPv6 address that carries an IPv4 one (RFC 5214)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where addresses that one tenant gives may lead. The default is nowhere."""

    hosts: tuple[str, ...] = ()
    """Hosts that may be called: `assets.example.com`, or `*.example.com` for all below it."""
    public: bool = False
    """Whether any host of the public Internet may be called."""
    http: bool = False
    """Whether unencrypted addresses may be called."""
    ports: frozenset[int] = frozenset({443})
    """Ports that may be called."""
    inner: tuple[Network, ...] = ()
    """Networks that are not public and may be called all the same, such as the one of a store in the cell."""
    never: tuple[Network, ...] = ()
    """Public networks that may not be called, such as the cell's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address after reading. `host` is in lower case; `target` is path and query as they go on the wire."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and, when it is not the usual one, port, as in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == USUAL_PORT[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as text. It may hold secrets; it goes into no log and no error."""
        return f"{self.scheme}://{self.authority}{self.target}"


def read_address(text: str, field: str, reach: Reach) -> Address:
    """Read an address that a client gave in `field`. Raises BadMedia when it cannot be read, or must not be called."""
    address = _parsed(text, field)
    if address.scheme == "http" and not reach.http:
        raise BadMedia(field, f"{field}: unencrypted addresses are not called here. Use https, or upload the file.")
    if address.port not in reach.ports:
        raise BadMedia(
            field, f"{field}: port {address.port} is not called from here. Use the usual one, or upload the file."
        )
    if not (reach.public or is_listed(address.host, reach.hosts)):
        raise BadMedia(
            field,
            f"{field}: the host {address.host} is not on the list of hosts that this cell may call for you. "
            "Upload the file instead, or have the host added.",
        )
    return address


def next_address(here: Address, location: str, field: str, reach: Reach) -> Address:
    """Where a redirect leads, held to the same rules; never from https back to http. Raises BadMedia."""
    there = read_address(urljoin(here.url, _clean(location, field)), field, reach)
    if here.scheme == "https" and there.scheme == "http":
        raise BadMedia(
            field, f"{field}: {here.host} redirects from https to http. Give an address that stays on https."
        )
    return there


def is_listed(host: str, hosts: Iterable[str]) -> bool:
    """Whether a host is on a list of names, where `*.` stands for one or more labels."""
    return any(
        host.endswith(name[1:]) and host != name[1:] if name.startswith("*.") else host == name for name in hosts
    )


def may_call(ip: IP, reach: Reach) -> bool:
    """Whether one address may be called."""
    if _within(ip, FORBIDDEN) or _within(ip, reach.never):
        return False
    return _within(ip, reach.inner) or is_public(ip)


def is_public(ip: IP) -> bool:
    """Whether an address is an ordinary one of the public Internet that carries no other address inside."""
    if _within(ip, FORBIDDEN) or _within(ip, SPECIAL):
        return False
    return isinstance(ip, IPv4Address) or (ip in _PUBLIC_SIX and int(ip) >> 32 & 0xFFFF != _ISATAP)


def vet(host: str, found: Sequence[IP], field: str, reach: Reach) -> tuple[IP, ...]:
    """The addresses of a host, if there are any and all may be called. Raises BadMedia."""
    if not found:
        raise BadMedia(field, f"{field}: the host {host} is not known. Check the address.")
    if not all(may_call(ip, reach) for ip in found):
        raise BadMedia(
            field, f"{field}: the host {host} is not at a public address, so it is not called. Upload the file instead."
        )
    return tuple(found)


def literal(host: str) -> IP | None:
    """The IP address that a host is, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _within(ip: IP, networks: Iterable[Network]) -> bool:
    return any(ip.version == network.version and ip in network for network in networks)


def _clean(text: str, field: str) -> str:
    """The text, if no reader can see less of it than we do: no spaces, controls or backslashes."""
    if len(text) > MOST_LETTERS:
        raise BadMedia(field, f"{field}: the address has more than {MOST_LETTERS:,} letters. Shorten it.")
    if not text.isprintable() or " " in text or "\\" in text:
        raise BadMedia(field, f"{field}: the address holds a space, a backslash or a control character. Write it anew.")
    return text


def _parsed(text: str, field: str) -> Address:
    try:
        parts = urlsplit(_clean(text, field))
    except ValueError:
        raise BadMedia(field, f"{field}: this is not an address. Write https://HOST/PATH.") from None
    if parts.scheme not in USUAL_PORT:
        raise BadMedia(field, f"{field}: only https addresses are called. Write https://HOST/PATH, or upload the file.")
    if "@" in parts.netloc:
        raise BadMedia(field, f"{field}: the address holds a user name. Take it out, or upload the file.")
    host, port = _host(parts.netloc.lower(), field)
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=-._~") + _query(parts.query)
    return Address(
        scheme=parts.scheme, host=host, port=USUAL_PORT[parts.scheme] if port is None else port, target=target
    )


def _query(query: str) -> str:
    return "?" + quote(query, safe="/?%:@!$&'()*+,;=-._~[]{}|^`\"<>") if query else ""


def _host(netloc: str, field: str) -> tuple[str, int | None]:
    found = _HOST.fullmatch(netloc)
    if found is None:
        raise BadMedia(field, f"{field}: the address has no host that can be read. Write https://HOST/PATH.")
    port = found["p6"] or found["p"]
    return _six(found["six"], field) if found["six"] else _name(found["name"], field), int(port) if port else None


def _six(text: str, field: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise BadMedia(field, f"{field}: the address's host is not an IPv6 address. Check it.") from None


def _name(name: str, field: str) -> str:
    if not name.isascii():
        raise BadMedia(field, f"{field}: write the address's host in its ASCII form, which begins with xn--.")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return _four(name, field)
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise BadMedia(field, f"{field}: the address has no host that can be read. Write https://HOST/PATH.")
    return name


def _four(name: str, field: str) -> str:
    try:
        return str(IPv4Address(name))
    except ValueError:
        raise BadMedia(field, f"{field}: the host is a number in a form that is not read. Write its name.") from None
