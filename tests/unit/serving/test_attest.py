"""A replica serves from its own region or not at all, and says how well it knows."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from policies.constraints import RANKS, Evidence
from serving.attest import Claim, Node, Paper, attest, graded
from serving.attest.node import MOST_BYTES
from serving.errors import CellError, Refused, Unavailable
from serving.settings import Attest, Cell

CELL = Cell(name="eu-par", jurisdiction="EU", provider="scaleway", region="fr-par", origin="https://eu.example")
CHALLENGE = bytes(range(32))
NOON = 1_795_262_400  # seconds since 1970
Answer = tuple[int, bytes]


class World:
    """An API server and a metadata service on loopback, and what they were asked."""

    def __init__(self, answer: Callable[[str, str], Answer]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.drips = 0.0  # seconds before each byte of an answer

    def serve(self, trust: ssl.SSLContext | None) -> ThreadingHTTPServer:
        world = self

        class Door(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                world.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
                status, body = world.answer(self.command, self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Location", "/api/v1/nodes/node-7")
                self.end_headers()
                world.say(self.wfile, body)

            do_PUT = do_GET  # noqa: N815  http.server calls it so

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        if trust is not None:
            server.socket = trust.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    def say(self, out: BufferedIOBase, body: bytes) -> None:
        """The body, as slowly as this world is; whoever asked may hang up."""
        with suppress(OSError):
            for piece in bytewise(body) if self.drips else [body]:
                time.sleep(self.drips)
                out.write(piece)


def bytewise(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


def node(region: str | None = "fr-par", name: str = "node-7") -> bytes:
    labels = {} if region is None else {"topology.kubernetes.io/region": region}
    return json.dumps({"kind": "PartialObjectMetadata", "metadata": {"name": name, "labels": labels}}).encode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


class Pod:
    """A replica with its token, in a cluster whose API answers as it is told."""

    def __init__(self, authority: Path, token: Path) -> None:
        self.authority, self.token = authority, token
        self.world = World(lambda method, path: (200, node()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority)
        self.server = self.world.serve(context)
        token.write_text("the-token")

    def settings(self, **more: object) -> Attest:
        told: dict[str, object] = {
            "source": "kubernetes",
            "node": "node-7",
            "api": f"https://127.0.0.1:{self.server.server_port}",
            "token": self.token,
            "authority": self.authority,
        }
        return Attest.model_validate({**told, **more})

    def answers(self, status: int, body: bytes = b"") -> None:
        self.world.answer = lambda method, path: (status, body)

    def attest(self, **more: object) -> Evidence:
        return attest(CELL, self.settings(**more), CHALLENGE, NOON)


@pytest.fixture
def pod(authority: Path, tmp_path: Path) -> Iterator[Pod]:
    made = Pod(authority, tmp_path / "token")
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_node_of_the_region_is_evidence_that_code_has_checked(pod: Pod) -> None:
    assert pod.attest() is Evidence.ENDPOINT


def test_the_cluster_is_asked_for_one_node_s_metadata_and_nothing_else(pod: Pod) -> None:
    pod.attest()

    (method, path, headers), *more = pod.world.asked
    assert (method, path, more) == ("GET", "/api/v1/nodes/node-7", [])
    assert headers["authorization"].lower() == "bearer the-token"  # the scheme in either case (RFC 9110, 11.1)
    assert "as=PartialObjectMetadata" in headers["accept"]


def test_a_node_of_another_region_keeps_the_replica_from_serving(pod: Pod) -> None:
    pod.answers(200, node("ap-northeast-1"))

    with pytest.raises(Refused, match=r"eu-par is to serve from fr-par, and its node's label says ap-northeast-1"):
        pod.attest()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, node(None), "names no region"),
        (200, node("fr-par", name="node-8"), "tells of another"),
        (200, b"[]", "is no node"),
        (200, b'{"metadata": null}', "is no node"),
        (200, b"not json", "is no node"),
        (200, b" " * (MOST_BYTES + 1), "too long"),
        (401, b"", "`get` on nodes"),
        (403, b"", "`get` on nodes"),
        (404, b"", "knows no node"),
        (302, b"", "answers 302"),
    ],
)
def test_an_answer_that_says_less_than_the_region_is_a_refusal(pod: Pod, status: int, body: bytes, said: str) -> None:
    pod.answers(status, body)

    with pytest.raises(Refused, match=said):
        pod.attest()
    assert len(pod.world.asked) == 1


def test_an_answer_that_drips_is_not_waited_for(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.attest.node.SECONDS", 0.2)
    pod.world.drips = 0.05

    with pytest.raises(Unavailable, match=r"takes more than 0\.2 s"):
        pod.attest()


def test_a_proxy_of_the_environment_is_shown_no_token(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert pod.attest() is Evidence.ENDPOINT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_cluster_that_cannot_answer_is_asked_three_times_and_then_nothing_is_served(pod: Pod, status: int) -> None:
    pod.answers(status)

    with pytest.raises(Unavailable, match="does not say where this node is"):
        pod.attest()
    assert len(pod.world.asked) == 3


def test_a_cluster_that_comes_back_in_time_is_believed(pod: Pod) -> None:
    answers = [(503, b""), (200, node())]
    pod.world.answer = lambda method, path: answers.pop(0)

    assert pod.attest() is Evidence.ENDPOINT


def test_an_api_server_with_a_strange_certificate_is_shown_no_token(pod: Pod, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")])
    now = datetime.now(UTC)
    stranger.write_bytes(
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )

    with pytest.raises(Unavailable):
        pod.attest(authority=stranger)
    assert pod.world.asked == []


@pytest.mark.parametrize("name", ["", "../secrets", "node 7", "Node-7", "a?b", "a/b"])
def test_only_a_node_s_name_is_asked_for(pod: Pod, name: str) -> None:
    with pytest.raises(Refused, match="not a node's name"):
        pod.attest(node=name)
    assert pod.world.asked == []


@pytest.mark.parametrize("lost", ["token", "authority"])
def test_a_pod_without_its_token_or_its_authority_says_so(pod: Pod, lost: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=str(tmp_path / "none")):
        pod.attest(**{lost: tmp_path / "none"})


def test_without_a_source_the_place_is_declared_and_nobody_is_asked(pod: Pod) -> None:
    assert (pod.attest(source="none"), pod.world.asked) == (Evidence.DECLARED, [])


# ---- signed documents


class Cloud:
    """A metadata service with a key of its own."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.document = json.dumps({"region": "fr-par", "instanceId": "i-1"}).encode()
        self.claims: dict[str, object] = {
            "aud": f"equerry:eu-par:{CHALLENGE.hex()}",
            "iat": NOON,
            "exp": NOON + 3600,
            "google": {"compute_engine": {"zone": "fr-par-b"}},
        }
        self.world = World(self.answer)
        self.server = self.world.serve(None)

    def answer(self, method: str, path: str) -> Answer:
        if "instance-identity/document" in path:
            return 200, self.document
        if "instance-identity/signature" in path:
            return 200, base64.encodebytes(self.sign(b'{"region": "fr-par", "instanceId": "i-1"}'))
        if path == "/latest/api/token":
            return (200, b"pass") if method == "PUT" else (405, b"")
        return 200, self.token()

    def sign(self, body: bytes) -> bytes:
        return self.key.sign(body, padding.PKCS1v15(), hashes.SHA256())

    def token(self, algorithm: str = "RS256") -> bytes:
        head, told = (
            base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=")
            for each in ({"alg": algorithm}, self.claims)
        )
        return head + b"." + told + b"." + base64.urlsafe_b64encode(self.sign(head + b"." + told)).rstrip(b"=")

    def told(self, document: str, keys: Path) -> dict[str, object]:
        keys.write_bytes(
            self.key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        return {"document": document, "keys": keys, "metadata": f"http://127.0.0.1:{self.server.server_port}"}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_document_of_google_that_answers_our_challenge_attests_the_region(
    pod: Pod, cloud: Cloud, tmp_path: Path
) -> None:
    assert pod.attest(**cloud.told("gcp", tmp_path / "keys.pem")) is Evidence.ATTESTED


def test_a_document_of_aws_could_be_another_machine_s_so_it_raises_nothing(
    pod: Pod, cloud: Cloud, tmp_path: Path
) -> None:
    assert pod.attest(**cloud.told("aws", tmp_path / "keys.pem")) is Evidence.ENDPOINT


@pytest.mark.parametrize(
    ("claim", "value", "said"),
    [
        ("aud", "equerry:eu-par:another", "another audience"),
        ("iat", NOON + 120, "out of date"),
        ("exp", NOON - 120, "out of date"),
        ("google", {"compute_engine": {"zone": "asia-northeast1-a"}}, "says asia-northeast1"),
        ("google", {}, "names no region"),
    ],
)
def test_a_token_that_is_not_ours_now_and_here_is_refused(
    pod: Pod, cloud: Cloud, tmp_path: Path, claim: str, value: object, said: str
) -> None:
    cloud.claims[claim] = value

    with pytest.raises(Refused, match=said):
        pod.attest(**cloud.told("gcp", tmp_path / "keys.pem"))


@pytest.mark.parametrize("document", ["aws", "gcp"])
def test_a_document_that_the_pinned_keys_have_not_signed_is_refused(
    pod: Pod, cloud: Cloud, tmp_path: Path, document: str
) -> None:
    told = cloud.told(document, tmp_path / "keys.pem")
    cloud.key = rsa.generate_private_key(65537, 2048)

    with pytest.raises(Refused, match="signed by nobody"):
        pod.attest(**told)


def test_a_document_of_aws_that_was_changed_is_refused(pod: Pod, cloud: Cloud, tmp_path: Path) -> None:
    cloud.document = cloud.document.replace(b"i-1", b"i-2")

    with pytest.raises(Refused, match="signed by nobody"):
        pod.attest(**cloud.told("aws", tmp_path / "keys.pem"))


def test_a_token_without_a_signature_is_refused(pod: Pod, cloud: Cloud, tmp_path: Path) -> None:
    told = cloud.told("gcp", tmp_path / "keys.pem")
    cloud.world.answer = lambda method, path: (200, cloud.token("none"))

    with pytest.raises(Refused, match="no token signed with RS256"):
        pod.attest(**told)


def test_keys_that_are_none_are_refused(pod: Pod, cloud: Cloud, tmp_path: Path) -> None:
    told = cloud.told("aws", tmp_path / "keys.pem")
    (tmp_path / "keys.pem").write_text("nothing")

    with pytest.raises(Refused, match="no RSA key"):
        pod.attest(**told)


# ---- the decision alone

REGIONS = st.sampled_from(["fr-par", "nl-ams", ""])


@given(
    claim=st.builds(Claim, cell=st.just("eu-par"), region=st.just("fr-par"), node=st.booleans(), paper=st.booleans()),
    found=st.none() | st.builds(Node, name=st.just("n"), region=REGIONS, zone=st.just("")),
    paper=st.none() | st.builds(Paper, region=REGIONS, bound=st.booleans()),
)
def test_a_grade_is_given_only_when_everyone_who_has_to_speak_names_the_region(
    claim: Claim, found: Node | None, paper: Paper | None
) -> None:
    speakers = [speaker for speaker, asked in ((found, claim.node), (paper, claim.paper)) if asked]
    agreed = all(speaker is not None and speaker.region == "fr-par" for speaker in speakers)
    try:
        grade = graded(claim, found, paper)
    except CellError:
        assert not agreed
    else:
        assert agreed
        assert (grade is Evidence.ATTESTED) == (claim.paper and paper is not None and paper.bound)
        assert (RANKS[grade] > RANKS[Evidence.DECLARED]) == bool(speakers)
