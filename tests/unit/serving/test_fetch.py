"""The guarded fetcher, against real servers on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from serving.errors import BadMedia
from serving.media.fetch import Fetcher
from serving.media.guard import Reach
from serving.media.patience import Patience

LOOPBACK = (ip_network("127.0.0.0/8"),)
BODY = b"\x89PNG" + bytes(range(256)) * 40
TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # empty, since reading the system's takes a while
Reply = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class World:
    """One server for every host, and a resolver that says so."""

    reply: Reply
    port: int = 0
    heard: list[bytes] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)  # host -> addresses; loopback when it is not here
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host, port):
        self.asked.append(host)
        return [ip_address(each) for each in self.names.get(host, ["127.0.0.1"])]

    async def serve(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heard.append(head)
            await self.reply(head, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @property
    def reach(self) -> Reach:
        return Reach(hosts=("a.test", "b.test"), http=True, ports=frozenset({self.port}), inner=LOOPBACK)

    async def fetch(self, path="/f?sig=secret", *, host="a.test", patience=None, reach=None, most=None):
        fetcher = Fetcher(patience or Patience(whole=5, connect=1, read=1), resolve=self.resolve, trust=TRUST)
        url = f"http://{host}:{self.port}{path}"
        return await fetcher.fetch(url, field="image_url", tenant="t1", reach=reach or self.reach, most=most)


@asynccontextmanager
async def running(world):
    server = await asyncio.start_server(world.serve, "127.0.0.1", 0)
    world.port = server.sockets[0].getsockname()[1]
    async with server:
        yield world


def answering(status="200 OK", body=BODY, **headers) -> Reply:
    async def reply(_, writer):
        more = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *more]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return reply


def fetched(reply, *arguments, **options):
    """The result or the refusal, and the world after it."""

    async def run():
        world = World(reply, names=options.pop("names", {}))
        async with running(world):
            if "reach" in options:
                options["reach"] = options["reach"](world.reach)
            try:
                return await world.fetch(*arguments, **options), world
            except BadMedia as refused:
                return refused, world

    return asyncio.run(run())


def refused(reply, *arguments, **options):
    result, world = fetched(reply, *arguments, **options)
    assert isinstance(result, BadMedia)
    assert result.field == "image_url"
    assert "secret" not in str(result)
    return str(result), world


def test_a_file_comes_whole_with_its_digest():
    result, world = fetched(answering())

    assert result.body == BODY
    assert result.sha256 == hashlib.sha256(BODY).hexdigest()
    assert world.heard[0].startswith(b"GET /f?sig=secret HTTP/1.1\r\n")


def test_the_request_names_the_host_asks_for_no_coding_and_carries_no_credential(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", "/dev/null")
    _, world = fetched(answering(Set_Cookie="a=b"))
    head = world.heard[0].lower()

    assert f"host: a.test:{world.port}".encode() in head
    assert b"accept-encoding: identity" in head
    assert not any(word in head for word in (b"cookie", b"authorization", b"referer", b"x-forwarded"))


def test_a_host_that_no_list_names_is_not_even_resolved():
    text, world = refused(answering(), host="evil.test")

    assert "not on the list" in text
    assert (world.asked, world.heard) == ([], [])


@pytest.mark.parametrize("where", ["10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "100.64.0.1"])
def test_a_host_that_leads_inside_is_not_called(where):
    _, world = refused(answering(), names={"a.test": ["8.8.8.8", where]})

    assert world.heard == []


def test_loopback_is_not_called_unless_the_settings_name_it():
    for host in ("a.test", "127.0.0.1"):
        _, world = refused(answering(), host=host, reach=lambda reach: replace(reach, public=True, inner=()))
        assert world.heard == []


def test_the_connection_goes_to_the_address_that_was_vetted_though_the_next_answer_differs():
    """Rebinding: the resolver is asked once, and the system's own never."""

    async def run():
        world = World(answering())
        answers = [["127.0.0.1"], ["10.0.0.1"]]

        async def turning(host, port):
            return [ip_address(each) for each in answers.pop(0)]

        async with running(world):
            fetcher = Fetcher(Patience(whole=5), resolve=turning, trust=TRUST)
            url = f"http://a.test:{world.port}/"
            first = await fetcher.fetch(url, field="f", tenant="t", reach=world.reach)
            with pytest.raises(BadMedia, match="not at a public address"):
                await fetcher.fetch(url, field="f", tenant="t", reach=world.reach)
        return first

    assert asyncio.run(run()).body == BODY


def test_an_address_that_does_not_answer_is_followed_by_the_next():
    result, _ = fetched(answering(), names={"a.test": ["127.255.255.254", "127.0.0.1"]})

    assert result.body == BODY


def redirecting(*locations, status="302 Found") -> Reply:
    async def reply(head, writer):
        path = head.split()[1][1:]
        number = int(path) if path.isdigit() else 0
        if number < len(locations):
            port = head.split(b":")[2].split()[0].decode()
            await answering(status, b"", Location=locations[number].replace("PORT", port))(head, writer)
        else:
            await answering()(head, writer)

    return reply


@pytest.mark.parametrize("status", ["301 A", "302 A", "303 A", "307 A", "308 A"])
def test_redirects_are_followed(status):
    result, world = fetched(redirecting("/1", "http://b.test:PORT/2", status=status), "/0")

    assert (result.body, result.host) == (BODY, "b.test")
    assert world.asked == ["a.test", "a.test", "b.test"]


@pytest.mark.parametrize(
    "location",
    ["http://evil.test/", "http://127.0.0.1:PORT/", "file:///etc/passwd", "http://a.test:1/", "http://u:p@a.test/", ""],
)
def test_a_redirect_that_leads_where_the_address_must_not_is_refused(location):
    _, world = refused(redirecting(location, location, location, location), "/0")

    assert set(world.asked) == {"a.test"}


def test_a_redirect_to_a_host_that_leads_inside_is_not_followed():
    _, world = refused(redirecting("http://b.test:PORT/1"), "/0", names={"b.test": ["10.0.0.1"]})

    assert len(world.heard) == 1


def test_redirects_without_end_are_ended():
    text, world = refused(redirecting(*["/0"] * 9), "/0")

    assert "too often" in text
    assert len(world.heard) == 4


def test_a_declared_length_beyond_the_bound_is_refused_before_the_body():
    async def reply(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(30)

    text, _ = refused(reply, most=1_000)

    assert "more than 1,000 bytes" in text


def test_a_body_without_end_is_cut_off_at_the_bound():
    sent = 0

    async def reply(_, writer):
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            sent += 65_536
            await writer.drain()

    refused(reply, most=1 << 20)

    assert sent < 16 << 20


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "gzip, identity"])
def test_a_coded_body_is_refused(coding):
    text, _ = refused(answering(Content_Encoding=coding))

    assert "compressed" in text


@pytest.mark.parametrize("status", ["404 Not Found", "401 Unauthorized", "500 Oops", "206 Partial Content", "204 None"])
def test_only_a_plain_answer_counts(status):
    refused(answering(status, b""))


def test_a_body_that_breaks_off_is_refused():
    async def reply(_, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
        await writer.drain()

    text, _ = refused(reply)

    assert "broke off" in text


@pytest.mark.parametrize(
    "junk", [b"SSH-2.0-OpenSSH\r\n\r\n", b"\x00" * 99, b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 99_999]
)
def test_an_answer_that_is_not_http_is_refused(junk):
    async def reply(_, writer):
        writer.write(junk)
        await writer.drain()

    refused(reply)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_a_server_that_sends_a_letter_now_and_then_is_left_after_the_time_for_all(head):
    async def reply(_, writer):
        writer.write(head)
        while True:
            writer.write(b"H")
            await writer.drain()
            await asyncio.sleep(0.05)

    text, _ = refused(reply, patience=Patience(whole=0.5, read=0.3))

    assert "too long" in text


def test_a_server_that_says_nothing_is_left_after_the_time_for_a_byte():
    async def reply(_, writer):
        await asyncio.sleep(3)

    text, _ = refused(reply, patience=Patience(whole=9, read=0.2))

    assert "too long" in text


def test_a_tenant_waits_for_its_own_fetches_and_nobody_elses():
    async def run():
        open_now, most_open = 0, 0

        async def reply(head, writer):
            nonlocal open_now, most_open
            open_now += 1
            most_open = max(most_open, open_now)
            await asyncio.sleep(0.1)
            open_now -= 1
            await answering()(head, writer)

        world = World(reply)
        async with running(world):
            fetcher = Fetcher(Patience(whole=5, at_once=2), resolve=world.resolve, trust=TRUST)
            url = f"http://a.test:{world.port}/"

            async def several(*tenants):
                nonlocal most_open
                most_open = 0
                await asyncio.gather(*(fetcher.fetch(url, field="f", tenant=t, reach=world.reach) for t in tenants))
                return most_open

            return await several(*"aaaa"), await several(*"aaabbb")

    assert asyncio.run(run()) == (2, 4)


def certified(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server that is `name`, and a client that trusts exactly this."""
    own = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        who, who, own.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    )
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    whole = made.sign(own, hashes.SHA256()).public_bytes(Encoding.PEM)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=whole.decode())
    with tempfile.NamedTemporaryFile() as file:
        file.write(whole + own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        server.load_cert_chain(file.name)
    return server, client


@pytest.mark.parametrize(("host", "trusted"), [("a.test", True), ("b.test", False)])
def test_a_certificate_is_held_against_the_name_though_the_connection_goes_to_an_address(host, trusted):
    async def run():
        at_server, at_client = certified("a.test")
        world = World(answering())
        server = await asyncio.start_server(world.serve, "127.0.0.1", 0, ssl=at_server)
        world.port = server.sockets[0].getsockname()[1]
        fetcher = Fetcher(Patience(whole=5), resolve=world.resolve, trust=at_client)
        async with server:
            try:
                url = f"https://{host}:{world.port}/"
                return (await fetcher.fetch(url, field="f", tenant="t", reach=world.reach)).body
            except BadMedia as refused:
                return str(refused)

    told = asyncio.run(run())

    assert told == BODY if trusted else "certificate is not trusted" in told
