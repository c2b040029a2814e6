"""Which addresses of clients may be called."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BadMedia
from serving.media.guard import FORBIDDEN, Reach, is_listed, is_public, may_call, next_address, read_address, vet

OPEN = Reach(public=True)
WIDE = Reach(public=True, http=True, ports=frozenset({80, 443}))
V4 = st.ip_addresses(v=4)
PRIVATE = st.sampled_from([ip_network(n) for n in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16")])


def read(text, reach=OPEN):
    return read_address(text, "image_url", reach)


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "ftp://example.com/a",
        "gopher://example.com/a",
        "data:image/png;base64,AAAA",
        "//example.com/a",
        "example.com/a",
        "https:example.com",
        "https:///a",
        "https://",
        "",
        "http://example.com/a",
        "https://user@example.com/a",
        "https://user:secret@example.com/a",
        "https://@example.com/a",
        "https://example.com:8443/a",
        "https://example.com:80/a",
        "https://example.com:/a:b@c/",
        "https://example.com:99999/a",
        "https://example.com:-1/a",
        "https://127.1/a",
        "https://0x7f.1/a",
        "https://0x7f000001/a",
        "https://2130706433/a",
        "https://0177.0.0.1/a",
        "https://127.0.0.1.0/a",
        "https://a.0x/a",
        "https://1.2.3.04/a",
        "https://exa mple.com/a",
        "https://example.com\\@evil.test/a",
        "https://example.com\n.evil.test/a",
        "https://example.com\t/a",
        "https://example.com\x00/a",
        "https://[::1/a",
        "https://[fe80::1%25eth0]/a",
        "https://[::ffff:127.0.0.1.5]/a",
        "https://ｅxample.com/a",
        "https://bücher.example/a",
        "https://-a.example/",
        "https://a..example/",
        "https://example.com./a",
        "https://" + "a" * 64 + ".example/",
        "https://example.com/" + "a" * 5_000,
    ],
)
def test_an_address_that_can_be_misread_or_must_not_be_called_is_refused(text):
    with pytest.raises(BadMedia) as refused:
        read(text)

    assert refused.value.field == "image_url"


@given(st.text(max_size=60))
def test_whatever_is_written_is_read_or_refused(text):
    for whole in (text, f"https://{text}", f"https://example.com/{text}"):
        try:
            address = read(whole)
        except BadMedia:
            continue
        assert address.url.isascii()
        assert address.url.isprintable()
        assert " " not in address.url
        assert read(address.url) == address


def test_an_address_is_read_into_what_goes_on_the_wire():
    address = read("HTTPS://Assets.Example.COM:443/ä b.png?x=%2F&y=1#part".replace(" ", "%20"))

    assert (address.scheme, address.authority) == ("https", "assets.example.com")
    assert address.target == "/%C3%A4%20b.png?x=%2F&y=1"


def test_a_refusal_holds_neither_path_nor_query_nor_password():
    for text in ["https://a.test:81/secret?token=secret", "https://u:secret@a.test/secret", "http://a.test/secret"]:
        with pytest.raises(BadMedia) as refused:
            read(text)
        assert "secret" not in str(refused.value)


def test_without_a_list_and_without_the_public_internet_nothing_is_called():
    with pytest.raises(BadMedia, match="not on the list"):
        read("https://example.com/a", Reach())


def test_a_list_names_hosts_or_all_below_one():
    hosts = ("assets.example.com", "*.cdn.test")

    for host in ("assets.example.com", "a.cdn.test", "a.b.cdn.test"):
        assert is_listed(host, hosts)
    assert not any(
        is_listed(host, hosts) for host in ("cdn.test", "evilcdn.test", "x.assets.example.com", "example.com", "")
    )


@given(V4)
def test_an_address_called_public_is_one_for_the_standard_library_too(ip):
    assert not is_public(ip) or (ip.is_global and not ip.is_multicast)


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_called_public_is_one_for_the_standard_library_too(ip):
    assert not is_public(ip) or (ip.is_global and not ip.is_multicast and ip.ipv4_mapped is None)


@given(V4, st.integers(0, 2**16 - 1))
def test_an_ipv4_address_inside_an_ipv6_one_is_never_called(ip, rest):
    four = int(ip)
    carriers = [
        int(IPv6Address("::ffff:0:0")) | four,  # mapped
        four,  # compatible
        int(IPv6Address("64:ff9b::")) | four,  # NAT64
        int(IPv6Address("64:ff9b:1::")) | four,
        int(IPv6Address("2002::")) | four << 80 | rest,  # 6to4
        int(IPv6Address("2001::")) | four << 64 | (four ^ 0xFFFFFFFF),  # Teredo
        int(IPv6Address("2600:1234::5efe:0:0")) | four,  # ISATAP
        int(IPv6Address("2600:1234::200:5efe:0:0")) | four,
    ]

    assert [str(IPv6Address(each)) for each in carriers if may_call(IPv6Address(each), OPEN)] == []


@given(st.data(), PRIVATE)
def test_a_private_address_is_called_only_when_its_network_is_named(data, network):
    ip = data.draw(st.ip_addresses(network=network))

    assert not may_call(ip, OPEN)
    assert may_call(ip, replace(OPEN, inner=(network,))) != ip.is_link_local


@given(st.data(), st.sampled_from(FORBIDDEN))
def test_metadata_link_local_and_multicast_are_called_by_no_setting(data, network):
    ip = data.draw(st.ip_addresses(network=network))

    assert not may_call(ip, Reach(public=True, inner=(ip_network("0.0.0.0/0"), ip_network("::/0"))))


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "169.254.169.254", "168.63.129.16", "100.100.100.200", "100.64.0.1", "0.0.0.0", "192.0.0.192", "::1"],
)
def test_no_ordinary_place_is_not_public(text):
    assert not is_public(ip_address(text))


@pytest.mark.parametrize(
    "text", ["::", "fe80::1", "fd00:ec2::254", "fc00::1", "ff02::1", "2001:db8::1", "::ffff:8.8.8.8"]
)
def test_no_ordinary_place_of_ipv6_is_not_public(text):
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::200e"])
def test_an_ordinary_place_is_public(text):
    assert is_public(ip_address(text))


def test_one_bad_address_among_many_refuses_the_host():
    good, bad = ip_address("8.8.8.8"), ip_address("10.0.0.1")

    assert vet("a.test", [good], "image_url", OPEN) == (good,)
    for found in ([good, bad], [bad], []):
        with pytest.raises(BadMedia):
            vet("a.test", found, "image_url", OPEN)


def test_a_network_of_the_cell_itself_can_be_taken_out_of_the_public_ones():
    assert not may_call(ip_address("8.8.8.8"), replace(OPEN, never=(ipaddress.IPv4Network("8.8.8.0/24"),)))


def test_a_redirect_is_read_by_the_same_rules_and_never_leaves_encryption():
    here = read("https://a.test/x/y?z=1")

    assert next_address(here, "../w", "f", WIDE).url == "https://a.test/w"
    assert next_address(here, "//b.test/v", "f", WIDE).url == "https://b.test/v"
    for location in [
        "http://a.test/",
        "file:///etc/passwd",
        "https://127.1/",
        "https://u:p@a.test/",
        "https://a.test/\n",
    ]:
        with pytest.raises(BadMedia):
            next_address(here, location, "f", WIDE)
    assert IPv4Address("127.0.0.1") not in vet("a.test", [ip_address("8.8.8.8")], "f", WIDE)
