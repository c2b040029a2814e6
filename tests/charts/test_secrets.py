"""A pod has the secrets that its own process reads, key by key, and none of another's."""

from __future__ import annotations

import tomllib
from pathlib import Path

import helm_python as helm
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tries

from tests.charts.rendering import (
    CHART,
    FILES,
    Object,
    Values,
    leaves,
    merged,
    pod_templates,
    render,
    settings_of,
    shipped,
    values,
)
from tests.charts.test_any_values import bases, changes

ROOM = "/run/equerry/secrets/"
AWS, KIND = CHART / "values-aws.yaml", CHART / "values-kind.yaml"
STATIC = {"ray": {"mode": "static", "upgrade": "none", "tokenSecret": {"name": "ray-token"}}}

Keys = set[str]  # SECRET/KEY


def role(template: Object) -> str:
    return str(template["metadata"]["labels"]["app.kubernetes.io/component"])


def given_to(template: Object) -> Keys:
    """The keys of Secrets that a pod's volumes hold. A volume that names no key would hold all."""
    of_secrets = [volume["secret"] for volume in template["spec"]["volumes"] if "secret" in volume]
    return {f"{each['secretName']}/{item['key']}" for each in of_secrets for item in each["items"]}


def read_by(template: Object, objects: list[Object]) -> Keys:
    """The keys whose files its settings and its environment name."""
    told = tomllib.loads(settings_of(objects)[role(template)])
    environment = [one.get("value") for each in template["spec"]["containers"] for one in each["env"]]
    return {str(word).removeprefix(ROOM) for word in [*leaves(told), *environment] if str(word).startswith(ROOM)}


def of_a_cell(objects: list[Object]) -> list[Object]:
    return [each for each in pod_templates(objects) if role(each) in ("cell", "keeper", "studio", "head")]


def keys(told: Values) -> dict[str, Keys]:
    return {role(each): given_to(each) for each in of_a_cell(render(told))}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_pod_has_the_secrets_that_its_settings_name_and_no_other(path: Path) -> None:
    objects = shipped(path)
    for template in of_a_cell(objects):
        assert given_to(template) == read_by(template, objects), role(template)


@given(base=bases, change=changes)
@tries(max_examples=100, suppress_health_check=list(HealthCheck))
def test_so_it_is_whatever_the_values_are(base: Path, change: Values) -> None:
    try:
        objects = render(merged(values(base), change))
    except helm.HelmError:
        return
    for template in of_a_cell(objects):
        assert given_to(template) == read_by(template, objects), role(template)


def test_each_role_has_what_it_needs() -> None:
    shared = {"eu-arn-database/password", "eu-arn-marks/tls.crt", "eu-arn-marks/tls.key", "eu-arn-watermark/watermark"}
    token = "eu-arn-keeper-token/token"

    assert keys(values(AWS)) == {
        "keeper": {*shared, token, "eu-arn-keeper/tls.crt", "eu-arn-keeper/tls.key", "eu-arn-links/2026-11"},
        "studio": {*shared, token, "eu-arn-keeper/ca.crt"},
        "head": set(),
    }


def test_who_reads_films_has_the_keys_that_they_are_sealed_under_and_nobody_else() -> None:
    named = [{"name": "eu-arn-sealing", "key": key} for key in ("2026-11", "2026-05")]
    told = merged(values(AWS), {"objects": {"sealed": True, "sealingSecrets": named}})
    files = [f"{ROOM}eu-arn-sealing/2026-11", f"{ROOM}eu-arn-sealing/2026-05"]

    objects = {who: tomllib.loads(text)["objects"] for who, text in settings_of(render(told)).items()}
    holders = {who for who, held in keys(told).items() if "eu-arn-sealing/2026-11" in held}

    assert holders == {"keeper", "studio"}
    assert {who: (each["sealed"], each.get("sealing_keys")) for who, each in objects.items()} == {
        "keeper": (True, files),
        "studio": (True, files),
        "head": (False, None),
    }


def test_keys_stay_with_those_who_read_when_sealing_is_switched_off() -> None:
    named = {"objects": {"sealingSecrets": [{"name": "eu-arn-sealing", "key": "one"}]}}

    found = keys(merged(values(AWS), named))

    assert {who for who, held in found.items() if "eu-arn-sealing/one" in held} == {"keeper", "studio"}


def test_the_token_of_a_static_ray_is_its_pods_alone() -> None:
    holders = {who for who, held in keys(merged(values(AWS), STATIC)).items() if "ray-token/token" in held}

    assert holders == {"head", "studio"}


def test_a_database_of_the_release_has_its_password_alone() -> None:
    (template,) = [each for each in pod_templates(shipped(KIND)) if role(each) == "database"]

    assert given_to(template) == {"eu-kin-database/password"}
