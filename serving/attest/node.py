"""Asks the Kubernetes API for one node's labels: one GET, which a role with `get` on nodes allows."""

from __future__ import annotations

import json
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from serving.attest.decision import REGION, ZONE, Node
from serving.errors import Refused, Unavailable

__all__ = ["Api", "read_node"]

MOST_BYTES: Final = 1 << 20
SECONDS: Final = 5.0
TRIES: Final = 3
NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
# The metadata alone, so that addresses, images and capacity of the node are not even sent.
METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Where the cluster answers, and what this pod shows it."""

    url: str  # https://kubernetes.default.svc
    token: Path  # of the pod's service account; the kubelet renews it
    authority: Path  # certificate of the API server's authority, PEM


def read_node(api: Api, name: str) -> Node:
    """What the cluster says of a node.

    Raises Refused when it may not be asked or knows no such node, Unavailable when it gives no answer.
    """
    if not NAME.fullmatch(name):
        raise Refused("attest.node is not a node's name. The chart sets it from the pod's own field spec.nodeName.")
    try:
        with httpx.Client(verify=_trusting(api), timeout=SECONDS, trust_env=False) as client:
            return _node(name, _asked(client, f"{api.url}/api/v1/nodes/{name}", _token(api)))
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError):
        raise Refused(f"The cluster's answer about the node {name} is no node. Check attest.api.") from None


def _asked(client: httpx.Client, url: str, token: str) -> bytes:
    problem = ""
    for _ in range(TRIES):
        try:
            with client.stream(
                "GET", url, headers={"Authorization": f"Bearer {token}", "Accept": METADATA}
            ) as response:
                if response.status_code < 500 and response.status_code != 429:
                    return _body(response)
                problem = f"status {response.status_code}"
        except httpx.HTTPError as error:
            problem = type(error).__name__
    raise Unavailable(f"The cluster does not say where this node is ({problem}). Nothing is served until it does.")


def _body(response: httpx.Response) -> bytes:
    if response.status_code in (401, 403):
        raise Refused("The cluster lets this pod read no node. Give its service account `get` on nodes.")
    if response.status_code == 404:
        raise Refused("The cluster knows no node of this pod's node name. Check attest.node.")
    if response.status_code != 200:
        raise Refused(f"The cluster answers {response.status_code} when asked for a node. Check attest.api.")
    body = b""
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MOST_BYTES:
            raise Refused("The cluster's answer about a node is too long. Check attest.api.")
    return body


def _node(name: str, body: bytes) -> Node:
    metadata = json.loads(body).get("metadata")
    if metadata.get("name") != name:
        raise Refused(f"The cluster was asked for the node {name} and tells of another. Check attest.api.")
    labels = metadata.get("labels") or {}
    return Node(name=name, region=str(labels.get(REGION, "")), zone=str(labels.get(ZONE, "")))


def _token(api: Api) -> str:
    try:
        return api.token.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise Refused(f"{api.token} cannot be read. The chart puts the pod's token there.") from None


def _trusting(api: Api) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=api.authority)
    except (OSError, ssl.SSLError):
        raise Refused(f"{api.authority} holds no certificate. The chart puts the cluster's authority there.") from None
