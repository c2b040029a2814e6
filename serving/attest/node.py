"""Asks the Kubernetes API for one node's labels: one GET, which a role with `get` on nodes allows.

The official client puts the question, in the configuration of a pod. Its typed call would ask for the whole node, and
read an error to its end however long; so its general one is used, without redirects and without a proxy.
"""

from __future__ import annotations

import json
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from serving.attest.decision import REGION, ZONE, Node
from serving.errors import Refused, Unavailable

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration
    from urllib3 import BaseHTTPResponse

__all__ = ["Api", "read_node"]

MOST_BYTES: Final = 1 << 20
SECONDS: Final = 5.0  # for a connection, for each piece of an answer, and for the answer as a whole
TRIES: Final = 3
NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
PIECE: Final = 1 << 14  # bytes
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
    from kubernetes.client import ApiClient  # two hundred types of objects, which only a pod needs

    try:
        with ApiClient(_configuration(api)) as client:
            return _node(name, _asked(client, name))
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError):
        raise Refused(f"The cluster's answer about the node {name} is no node. Check attest.api.") from None


def _configuration(api: Api) -> Configuration:
    """As a pod has it, from the settings instead of the environment. Raises Refused for files that hold nothing."""
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException, incluster_config

    at, made = urlsplit(api.url), Configuration()
    told = {"KUBERNETES_SERVICE_HOST": at.hostname or "", "KUBERNETES_SERVICE_PORT": str(at.port or 443)}
    try:
        ssl.create_default_context(cafile=api.authority)
        loader = incluster_config.InClusterConfigLoader(  # type: ignore[no-untyped-call]  # this half has no types
            str(api.token), str(api.authority), False, told
        )
        loader.load_and_set(made)  # type: ignore[no-untyped-call]  # the same
    except (ConfigException, OSError, UnicodeDecodeError) as error:
        raise Refused(
            f"{api.token} and {api.authority} are to hold the pod's token and the certificate of the cluster's "
            f"authority, and do not ({type(error).__name__}). The chart puts both there."
        ) from None
    made.proxy, made.retries = None, False
    return made


def _asked(client: ApiClient, name: str) -> bytes:
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    problem = ""
    for _ in range(TRIES):
        try:
            response = _get(client, name)
            try:
                if response.status < 500 and response.status != 429:
                    return _body(response)
                problem = f"status {response.status}"
            finally:
                response.close()
        except (HTTPError, ApiException) as error:  # the client's own stands for TLS that fails
            problem = type(error).__name__
    raise Unavailable(f"The cluster does not say where this node is ({problem}). Nothing is served until it does.")


def _get(client: ApiClient, name: str) -> BaseHTTPResponse:
    """The beginning of an answer, whatever its status."""
    asked = client.param_serialize(
        "GET",
        "/api/v1/nodes/{name}",
        path_params={"name": name},
        header_params={"Accept": METADATA},
        auth_settings=["BearerToken"],
    )
    return client.call_api(*asked, _request_timeout=(SECONDS, SECONDS)).response


def _body(response: BaseHTTPResponse) -> bytes:
    if response.status in (401, 403):
        raise Refused("The cluster lets this pod read no node. Give its service account `get` on nodes.")
    if response.status == 404:
        raise Refused("The cluster knows no node of this pod's node name. Check attest.node.")
    if response.status != 200:
        raise Refused(f"The cluster answers {response.status} when asked for a node. Check attest.api.")
    body, end = b"", monotonic() + SECONDS
    while piece := response.read1(PIECE):
        body += piece
        if len(body) > MOST_BYTES:
            raise Refused("The cluster's answer about a node is too long. Check attest.api.")
        if monotonic() > end:
            raise Unavailable(
                f"The cluster's answer about a node takes more than {SECONDS:g} s. Nothing is served yet."
            )
    return body


def _node(name: str, body: bytes) -> Node:
    metadata = json.loads(body).get("metadata")
    if metadata.get("name") != name:
        raise Refused(f"The cluster was asked for the node {name} and tells of another. Check attest.api.")
    labels = metadata.get("labels") or {}
    return Node(name=name, region=str(labels.get(REGION, "")), zone=str(labels.get(ZONE, "")))
