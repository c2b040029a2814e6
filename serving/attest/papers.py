"""Instance identity documents: what a cloud's metadata service signs about the machine that asks.

AWS signs a JSON document (RSA, SHA-256); nothing in it is ours, so it is bound to nothing of ours. Google signs an
OpenID token (RS256, RFC 7515) for an audience that we choose, and we choose a challenge drawn for this start.
Who signs is known by public keys in PEM that the operator pins; certificates are never fetched.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from serving.attest.decision import Paper
from serving.errors import Refused, Unavailable

__all__ = ["aws_paper", "gcp_paper", "read_aws", "read_gcp", "read_keys"]

METADATA: Final = "http://169.254.169.254"
SECONDS: Final = 2.0
MOST_BYTES: Final = 1 << 16
SKEW: Final = 60  # seconds by which clocks may differ


def aws_paper(document: bytes, signature: bytes, keys: Sequence[RSAPublicKey]) -> Paper:
    """What AWS's document says. Raises Refused when none of the keys has signed it."""
    _signed(document, signature, keys)
    return Paper(region=str(_object(document).get("region", "")), bound=False)


def gcp_paper(token: str, audience: str, now: int, keys: Sequence[RSAPublicKey]) -> Paper:
    """What Google's token says. Raises Refused for a token that is unsigned, out of date or for somebody else.

    `now` is seconds since 1970.
    """
    parts = token.split(".")
    if len(parts) != 3 or _object(_bytes(parts[0])).get("alg") != "RS256":
        raise Refused("The machine's document is no token signed with RS256. Nothing is served on its word.")
    _signed(f"{parts[0]}.{parts[1]}".encode(), _bytes(parts[2]), keys)
    told = _object(_bytes(parts[1]))
    if told.get("aud") != audience:
        raise Refused("The machine's document was made for another audience. Nothing is served on its word.")
    if not int(told.get("iat", 0)) - SKEW <= now <= int(told.get("exp", 0)) + SKEW:
        raise Refused("The machine's document is out of date. Check the machine's clock.")
    zone = str(told.get("google", {}).get("compute_engine", {}).get("zone", ""))
    return Paper(region=zone.rpartition("-")[0], bound=True)


def read_aws(keys: Sequence[RSAPublicKey], metadata: str = METADATA) -> Paper:
    """Asks the metadata service of AWS, version 2, which wants a token first."""
    with _client() as client:
        ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        pass_ = _text(client, "PUT", f"{metadata}/latest/api/token", ttl)
        shown = {"X-aws-ec2-metadata-token": pass_.decode("ascii", "replace")}
        at = f"{metadata}/latest/dynamic/instance-identity"
        document = _text(client, "GET", f"{at}/document", shown)
        signature = _text(client, "GET", f"{at}/signature", shown)
    try:
        return aws_paper(document, base64.b64decode(b"".join(signature.split()), validate=True), keys)
    except binascii.Error:
        raise Refused("The signature of the machine's document is not base64. Nothing is served on its word.") from None


def read_gcp(audience: str, now: int, keys: Sequence[RSAPublicKey], metadata: str = METADATA) -> Paper:
    """Asks the metadata service of Google for a token to this audience."""
    at = f"{metadata}/computeMetadata/v1/instance/service-accounts/default/identity"
    with _client() as client:
        token = _text(client, "GET", f"{at}?audience={audience}&format=full", {"Metadata-Flavor": "Google"})
    return gcp_paper(token.decode("ascii", "replace").strip(), audience, now, keys)


def read_keys(path: Path | None) -> tuple[RSAPublicKey, ...]:
    """The public keys and certificates in a file of PEM blocks. Raises Refused for a file without an RSA key."""
    try:
        blocks = path.read_bytes().split(b"-----BEGIN ")[1:] if path else []
        found = tuple(_key(b"-----BEGIN " + block) for block in blocks)
    except (OSError, ValueError):
        found = ()
    if not found:
        raise Refused(f"{path} holds no RSA key in PEM. Put the keys there that sign the machines' documents.")
    return found


def _key(block: bytes) -> RSAPublicKey:
    if b"CERTIFICATE" in block.splitlines()[0]:
        key: object = x509.load_pem_x509_certificate(block).public_key()
    else:
        key = serialization.load_pem_public_key(block)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA key")
    return key


def _signed(document: bytes, signature: bytes, keys: Iterable[RSAPublicKey]) -> None:
    for key in keys:
        try:
            key.verify(signature, document, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            continue
        return
    raise Refused("The machine's document is signed by nobody in attest.keys. Nothing is served on its word.")


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused("The machine's document is no JSON object. Nothing is served on its word.")
    return found


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise Refused("The machine's document is no token. Nothing is served on its word.") from None


def _client() -> httpx.Client:
    return httpx.Client(timeout=SECONDS, trust_env=False)


def _text(client: httpx.Client, method: str, url: str, headers: dict[str, str]) -> bytes:
    try:
        with client.stream(method, url, headers=headers) as response:
            if response.status_code != 200:
                raise Refused(f"The machine's metadata service answers {response.status_code}. Check attest.document.")
            body = b""
            for piece in response.iter_bytes():
                body += piece
                if len(body) > MOST_BYTES:
                    raise Refused("The machine's metadata service says too much. Check attest.document.")
            return body
    except httpx.HTTPError as error:
        raise Unavailable(
            f"The machine's metadata service does not answer ({type(error).__name__}). Pods reach it on AWS with a hop "
            "limit of 2, and by the chart's network policy."
        ) from None
