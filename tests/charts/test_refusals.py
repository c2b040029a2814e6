"""Values that make no sense are refused, and the refusal says which and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts.rendering import CHART, Values, merged, refusal, values

AWS = CHART / "values-aws.yaml"
KIND = CHART / "values-kind.yaml"
OVH = CHART / "values-ovh.yaml"
STATIC = CHART / "values-alicloud.yaml"

#: What is changed in which file, and what the refusal says.
BAD: list[tuple[Any, Values, str]] = [
    # The schema.
    (AWS, {"cell": {"name": "Paris"}}, "/cell/name"),
    (AWS, {"cell": {"origin": "http://films.example"}}, "/cell/origin"),
    (AWS, {"cell": {"origin": "https://films.example/path"}}, "/cell/origin"),
    (AWS, {"image": {"digest": "latest"}}, "/image/digest"),
    (AWS, {"image": {"digest": "sha256:abc"}}, "/image/digest"),
    (AWS, {"engine": {"tensorParallel": 3}}, "/engine/tensorParallel"),
    (AWS, {"engine": {"replicas": 0}}, "/engine/replicas"),
    (AWS, {"engine": {"kind": "tensorrt"}}, "/engine/kind"),
    (AWS, {"engin": {}}, "engin"),
    (AWS, {"engine": {"replica": 1}}, "replica"),
    (AWS, {"ray": {"mode": "cluster"}}, "/ray/mode"),
    (AWS, {"state": {"accessMode": "ReadWriteMany"}}, "/state/accessMode"),
    (AWS, {"network": {"egress": {"objects": ["0.0.0.0/0"]}}}, "/network/egress/objects"),
    (AWS, {"network": {"egress": {"objects": ["10.0.0.0/7"]}}}, "/network/egress/objects"),
    (AWS, {"network": {"egress": {"objects": ["::/0"]}}}, "/network/egress/objects"),
    (AWS, {"network": {"egress": {"more": [{"networks": ["10.0.0.0/24"], "port": 443}]}}}, "why"),
    (AWS, {"network": {"clients": [{}]}}, "/network/clients"),
    (AWS, {"objects": {"url": "https://bucket"}}, "/objects/url"),
    (AWS, {"objects": {"options": {"aws_secret_access_key": "A"}}}, "aws_secret_access_key"),
    (AWS, {"objects": {"options": {"azure_storage_sas_token": "A"}}}, "azure_storage_sas_token"),
    (AWS, {"database": {"external": {"sslMode": "disable"}}}, "/database/external/sslMode"),
    (AWS, {"database": {"passwordSecret": {"value": "hunter2"}}}, "value"),
    (AWS, {"collector": {"endpoint": "http://collector.example"}}, "/collector/endpoint"),
    (AWS, {"pods": {"user": 0}}, "/pods/user"),
    (AWS, {"settings": {"gate": {"open": True}}}, "gate"),
    # What contradicts itself.
    (AWS, {"cell": {"jurisdiction": "JP"}}, "cell.name eu-arn is of EU, and cell.jurisdiction says JP"),
    (AWS, {"image": {"digest": ""}}, "image.digest is missing"),
    (AWS, {"image": {"tag": "v1"}}, "has a digest and a tag"),
    (AWS, {"collector": {"enabled": True}}, "collector.image.digest is missing"),
    (AWS, {"engine": {"kind": "torch", "tensorParallel": 2}}, "tensorParallel is 1 with engine.kind torch"),
    (AWS, {"engine": {"replicas": 3}}, "engine.replicas is more than engine.mostReplicas"),
    (AWS, {"engine": {"tensorParallel": 2}, "studio": {"accelerator": ""}}, "name studio.accelerator"),
    (KIND, {"engine": {"replicas": 2, "mostReplicas": 2}}, "are 1 with ray.mode none"),
    (AWS, {"database": {"external": {"host": ""}}}, "needs a database that all pods reach"),
    (AWS, {"database": {"internal": {"enabled": True}}}, "exclude each other"),
    (KIND, {"database": {"passwordSecret": {"name": ""}}}, "database.internal needs database.passwordSecret.name"),
    (AWS, {"objects": {"url": "folder"}}, "needs an object store that all pods reach"),
    (AWS, {"objects": {"sealed": True}}, "objects.sealed needs objects.sealingSecrets"),
    (AWS, {"settings": {"objects": {"sealed": True}}}, "settings.objects.sealed is decided by other values"),
    (AWS, {"policies": {"configMap": ""}}, "policies.configMap does not say where they are"),
    (AWS, {"policies": {"catalogue": "c.json", "trust": ""}}, "policies.catalogue without policies.trust"),
    (AWS, {"links": {"ids": []}}, "links.secret and links.ids go together"),
    (AWS, {"network": {"egress": {"database": []}}}, "network.egress.database is empty"),
    (AWS, {"network": {"egress": {"objects": []}}}, "network.egress.objects is empty"),
    (AWS, {"network": {"egress": {"api": {"networks": []}}}}, "no replica could find out where it is"),
    (AWS, {"network": {"clients": []}}, "network.clients is empty"),
    (AWS, {"network": {"monitors": []}}, "network.monitors is empty"),
    (AWS, {"keeper": {"tlsSecret": ""}}, "needs keeper.tlsSecret and keeper.tokenSecret.name"),
    (AWS, {"marks": {"certificateSecret": ""}}, "every studio would draw its own"),
    (AWS, {"marks": {"watermarkSecret": {"name": ""}}}, "every studio would draw its own"),
    (STATIC, {"ray": {"tokenSecret": {"name": ""}}}, "ray.mode static needs ray.tokenSecret.name"),
    (STATIC, {"ray": {"upgrade": "blueGreen"}}, "ray.upgrade blueGreen needs ray.mode rayservice"),
    (AWS, {"ray": {"upgrade": "incremental"}}, "needs ray.incremental.gatewayClass"),
    (
        AWS,
        {"ray": {"upgrade": "incremental", "incremental": {"gatewayClass": "g", "step": 60, "surge": 50}}},
        "step is more than ray.incremental.surge",
    ),
    (AWS, {"ray": {"devices": 3}}, "needs 2 devices beside the 2 in use, and ray.devices is 3"),
    (
        AWS,
        {
            "engine": {"tensorParallel": 8, "mostReplicas": 2},
            "ray": {"upgrade": "incremental", "devices": 20, "incremental": {"gatewayClass": "g", "surge": 50}},
        },
        "needs 8 devices beside the 16 in use, and ray.devices is 20",
    ),
    (AWS, {"route": {"kind": "gateway"}}, "needs route.gateway.name"),
    (AWS, {"route": {"tlsSecret": ""}}, "requests would come unencrypted"),
    (AWS, {"cell": {"origin": "http://127.0.0.1:8000"}}, "route.kind needs a cell.origin of https"),
    (AWS, {"place": {"attest": {"keys": ""}}}, "a document that nobody vouches for proves nothing"),
    (AWS, {"place": {"attest": {"enabled": False}}}, "place.attest.document needs place.attest.enabled"),
    (OVH, {"cell": {"region": "de/fra"}, "place": {"region": ""}}, "cannot be a node's label"),
    (AWS, {"service": {"nodePort": 30080}}, "service.nodePort needs service.type NodePort"),
    (AWS, {"gateway": {"graceSeconds": 60}}, "could not hand its jobs back"),
    (AWS, {"settings": {"jobs": {"drain": 120}}}, "could not hand its jobs back"),
    (AWS, {"telemetry": {"metrics": False}}, "monitoring.serviceMonitor needs telemetry.metrics"),
    (AWS, {"settings": {"engine": {"batch": 2}}}, "settings.engine.batch is decided by other values"),
    (AWS, {"settings": {"log": {"domain": "a\x7f"}}}, "holds a control character"),
    (AWS, {"settings": {"policies": {"tenants": "/tmp"}}}, "settings.policies.tenants is decided by other values"),
]


@pytest.mark.parametrize(("path", "change", "said"), BAD, ids=[str(said) for *_, said in BAD])
def test_values_that_make_no_sense_are_refused_with_the_reason(path, change, said) -> None:
    assert refusal(values(path)) == ""

    assert said in refusal(merged(values(path), change))


def test_every_mistake_is_said_at_once() -> None:
    told = refusal(merged(values(AWS), {"network": {"clients": []}, "gateway": {"graceSeconds": 30}}))

    assert "network.clients is empty" in told
    assert "could not hand its jobs back" in told
