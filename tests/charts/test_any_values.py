"""Whatever values an operator writes: either a cell that a cluster takes, or a refusal in words."""

from __future__ import annotations

import os
import re
import tomllib
from functools import lru_cache
from typing import Any

import helm_python as helm
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.charts.rendering import DIGEST, FILES, VERSIONS, Values, check, manifests, merged, values

#: How a refusal begins: the schema's words, or Helm's for `fail`. A slip in a template reads otherwise.
REFUSAL = re.compile(r"values don't meet the specifications|^execution error at \(equerry-cell/templates/[a-z]+\.yaml:")

names = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
maybe_name = st.just("") | names
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
networks = st.lists(
    st.builds("10.{}.{}.0/{}".format, st.integers(0, 255), st.integers(0, 255), st.sampled_from([16, 24, 28])),
    max_size=3,
    unique=True,
)
labels = st.dictionaries(names, names, max_size=2)
quantities = st.sampled_from(["100m", "1", "4Gi", "512Mi", "0.5"]) | st.integers(1, 64)
resources = st.fixed_dictionaries(
    {}, optional={"requests": st.fixed_dictionaries({"cpu": quantities, "memory": quantities}),
                  "limits": st.fixed_dictionaries({"memory": quantities})}
)  # fmt: skip
secret = st.fixed_dictionaries({"name": maybe_name, "key": st.sampled_from(["password", "tls.crt", "a_b-c.d"])})
any_image = st.fixed_dictionaries({"digest": st.sampled_from(["", DIGEST]), "tag": st.sampled_from(["", "1.2"])})
switch = st.booleans()
ways_out = st.fixed_dictionaries(
    {"networks": networks, "port": st.integers(1, 65535), "why": st.from_regex(r"[ -~]{3,40}", fullmatch=True)}
)


def some(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Values]:
    return st.fixed_dictionaries({}, optional=optional)


changes = some(
    cell=some(origin=st.sampled_from(["https://a.example", "https://a.example:8443", "http://127.0.0.1:8100"]),
              region=st.sampled_from(["fr-par", "GRA", "de/fra"])),
    place=some(region=maybe_name, zones=st.lists(names, max_size=2, unique=True),
               attest=some(enabled=switch, document=st.sampled_from(["none", "aws", "gcp"]), keys=maybe_name)),
    image=any_image,
    engine=some(kind=st.sampled_from(["torch", "vllm"]), model=st.sampled_from(["pony", "horse", "/models/x"]),
                tensorParallel=st.sampled_from([1, 2, 4, 8]), replicas=st.integers(1, 4),
                mostReplicas=st.integers(1, 8), compile=switch, batch=st.integers(1, 64)),
    ray=some(mode=st.sampled_from(["none", "rayservice", "static"]),
             upgrade=st.sampled_from(["none", "blueGreen", "incremental"]), tokenSecret=secret,
             devices=st.integers(0, 64), head=some(resources=resources),
             incremental=some(gatewayClass=maybe_name, step=st.integers(1, 100), surge=st.integers(1, 100))),
    gateway=some(resources=resources, graceSeconds=st.sampled_from([30, 60, 61, 600])),
    keeper=some(tlsSecret=maybe_name, issuer=some(name=maybe_name), tokenSecret=secret),
    studio=some(resources=resources, accelerator=st.sampled_from(["", "nvidia.com/gpu"]), nodeSelector=labels,
                tolerations=st.lists(some(key=names, operator=st.just("Exists")), max_size=2)),
    pods=some(runtimeClass=maybe_name, priorityClass=maybe_name, labels=labels,
              annotations=st.dictionaries(names, words, max_size=2), user=st.integers(1, 70_000)),
    state=some(storageClass=maybe_name, accessMode=st.sampled_from(["ReadWriteOncePod", "ReadWriteOnce"])),
    database=some(external=some(host=maybe_name, authority=maybe_name,
                                sslMode=st.sampled_from(["verify-full", "require"])),
                  passwordSecret=secret, internal=some(enabled=switch, image=any_image)),
    objects=some(url=st.sampled_from(["folder", "s3://bucket/films", "gs://bucket", "az://account/films"]),
                 options=st.dictionaries(st.sampled_from(["aws_region", "aws_endpoint"]), words, max_size=2),
                 secrets=st.dictionaries(st.sampled_from(["aws_secret_access_key"]),
                                         st.fixed_dictionaries({"name": names, "key": st.just("k")}), max_size=1),
                 sealed=switch,
                 sealingSecrets=st.lists(st.fixed_dictionaries({"name": names, "key": st.sampled_from(["a", "b"])}),
                                         max_size=2, unique_by=str)),
    policies=some(configMap=maybe_name, catalogue=st.sampled_from(["", "catalogue.json"]),
                  trust=st.sampled_from(["", "trust.json"]), overlays=st.lists(names, max_size=2, unique=True)),
    marks=some(certificateSecret=maybe_name, watermarkSecret=secret),
    links=some(secret=maybe_name, ids=st.lists(names.map(lambda name: name[:20]), max_size=2, unique=True)),
    settings=some(jobs=some(drain=st.integers(1, 120), retention=st.floats(1, 100)),
                  media=some(hosts=st.lists(words, max_size=2), public=switch),
                  engine=some(batch=st.integers(1, 4)), log=some(domain=words)),
    network=some(policies=switch, clients=st.lists(st.dictionaries(names, names, min_size=1, max_size=1), max_size=2),
                 monitors=st.lists(st.dictionaries(names, names, min_size=1, max_size=1), max_size=1),
                 egress=some(database=networks, objects=networks, api=some(networks=networks),
                             telemetry=some(networks=networks), more=st.lists(ways_out, max_size=2))),
    route=some(kind=st.sampled_from(["none", "ingress", "gateway"]), ingressClass=maybe_name, tlsSecret=maybe_name,
               issuer=some(name=maybe_name), gateway=some(name=maybe_name, namespace=maybe_name, section=maybe_name),
               annotations=st.dictionaries(names, words, max_size=1)),
    service=some(type=st.sampled_from(["ClusterIP", "NodePort"]), nodePort=st.sampled_from([0, 30080])),
    telemetry=some(metrics=switch, level=st.sampled_from(["debug", "error"])),
    collector=some(enabled=switch, image=any_image, endpoint=st.sampled_from(["", "https://otel.example:4318"])),
    monitoring=some(serviceMonitor=switch, rules=switch, dashboards=switch, labels=labels),
    disruptionBudgets=switch,
)  # fmt: skip


@lru_cache(maxsize=100_000)
def taken(text: str, version: str) -> tuple[str, ...]:
    """The kinds and names in one file's text; raises for what a cluster would not take."""
    objects = [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each is not None]
    check(objects, version)
    for each in objects:
        for name, told in each.get("data", {}).items():
            assert not name.endswith(".toml") or tomllib.loads(told)
    return tuple(f"{each['kind']} {each['metadata']['name']}" for each in objects)


def outcome(told: Values, release: str, version: str) -> str:
    """`taken` or `refused`; anything else raises."""
    try:
        texts = manifests(told, release)
    except helm.HelmError as error:
        if not REFUSAL.search(str(error)):
            raise
        return "refused"
    made = [name for text in texts for name in taken(text, version)]
    assert len(made) == len(set(made))
    return "taken"


bases = st.sampled_from(FILES)
releases = st.sampled_from(["cell", "a", "b" * 53])


@given(base=bases, change=changes, release=releases, version=st.sampled_from(VERSIONS))
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_any_values_make_a_cell_or_are_refused_in_words(base, change, release, version) -> None:
    outcome(merged(values(base), change), release, version)


RENDERINGS = int(os.environ.get("EQUERRY_RENDERINGS", "1500"))  # 10,000 take ten minutes and more


@pytest.mark.slow
def test_so_many_renderings_hold_no_invalid_manifest() -> None:
    counts = {"taken": 0, "refused": 0}

    @given(base=bases, change=changes, release=releases, version=st.sampled_from(VERSIONS))
    @settings(max_examples=RENDERINGS, database=None, suppress_health_check=list(HealthCheck))
    def render_one(base, change, release, version) -> None:
        counts[outcome(merged(values(base), change), release, version)] += 1

    render_one()

    assert counts["taken"] + counts["refused"] >= RENDERINGS
    assert counts["taken"] >= RENDERINGS // 10, "too few of the values that were tried make a cell"
