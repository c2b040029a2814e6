"""Every values file that is shipped makes a cell that a cluster takes, and that is closed as it should be."""

from __future__ import annotations

import json
import tomllib
from itertools import combinations
from pathlib import Path

import helm_python as helm
import pytest
import yaml

from policies.catalogue import Catalogue
from serving.settings import CellSettings
from tests.charts.rendering import (
    CHART,
    FILES,
    VERSIONS,
    Object,
    chart,
    check,
    leaves,
    pod_templates,
    render,
    settings_of,
    shipped,
    text_of,
    values,
)

WARNING = 2  # Helm's severities

every = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@every
def test_a_values_file_is_linted_clean(path: Path) -> None:
    report = helm.lint(CHART, values(path), strict=True, namespace="films", kube_version="1.31.0")

    assert [said for said in report["messages"] if said["severity"] >= WARNING] == []
    assert report["errors"] == []


@every
def test_every_version_of_kubernetes_takes_every_object(path: Path) -> None:
    for version in VERSIONS:
        check(shipped(path), version)


@every
def test_the_settings_that_are_rendered_are_settings_of_a_cell(path: Path) -> None:
    for text in settings_of(shipped(path)).values():
        told = CellSettings(**tomllib.loads(text))

        assert told.cell.name == values(path)["cell"]["name"]
        assert str(told.log.folder).startswith("/var/lib/equerry/")
        assert str(told.policies.tenants).startswith("/var/lib/equerry/")


@every
def test_the_region_is_one_of_the_catalogue_and_lies_in_the_jurisdiction(path: Path) -> None:
    cell = values(path)["cell"]
    if cell["provider"].startswith("own-"):
        pytest.skip("own machines are in a catalogue of their own")
    catalogue = Catalogue.parse((CHART.parents[1] / "policies" / "data" / "catalogue.json").read_bytes())
    region = next(each for each in catalogue.regions if each.id == f"{cell['provider']}/{cell['region']}")

    assert region.jurisdiction == cell["jurisdiction"]


@every
def test_every_pod_runs_in_the_region_or_nowhere(path: Path) -> None:
    told = values(path)
    label = told.get("place", {}).get("region") or told["cell"]["region"]
    for template in pod_templates(shipped(path)):
        needed = template["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        (term,) = needed["nodeSelectorTerms"]

        assert {"key": "topology.kubernetes.io/region", "operator": "In", "values": [label]} in term["matchExpressions"]


@every
def test_every_pod_is_restricted(path: Path) -> None:
    for template in pod_templates(shipped(path)):
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert not [volume for volume in pod["volumes"] if "hostPath" in volume]
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            said = container["securityContext"]
            assert said["allowPrivilegeEscalation"] is False
            assert said["readOnlyRootFilesystem"] is True
            assert said["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


@every
def test_no_pod_has_a_token_that_it_does_not_need(path: Path) -> None:
    for template in pod_templates(shipped(path)):
        component = template["metadata"]["labels"]["app.kubernetes.io/component"]

        assert template["spec"]["automountServiceAccountToken"] is False or component == "head"


@every
def test_one_pod_at_most_writes_the_log(path: Path) -> None:
    (writer,) = [
        each
        for each in shipped(path)
        if each["kind"] == "StatefulSet"
        and any(claim["metadata"]["name"] == "state" for claim in each["spec"].get("volumeClaimTemplates", []))
    ]
    (claim,) = writer["spec"]["volumeClaimTemplates"]

    assert writer["spec"]["replicas"] == 1
    assert writer["spec"]["podManagementPolicy"] == "OrderedReady"
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod" if "kind" not in path.name else "ReadWriteOnce"]


@every
def test_nothing_comes_in_or_goes_out_unless_a_policy_names_it(path: Path) -> None:
    objects = shipped(path)
    policies = [each for each in objects if each["kind"] == "NetworkPolicy"]
    (closed,) = [each for each in policies if each["metadata"]["name"].endswith("-closed")]
    labels = closed["spec"]["podSelector"]["matchLabels"]

    assert closed["spec"] == {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress", "Egress"]}
    for template in pod_templates(objects):
        assert labels.items() <= template["metadata"]["labels"].items()
    for policy in policies:
        for rule in policy["spec"].get("egress") or []:
            assert rule.get("to"), "a rule without a target opens everything"
            assert rule.get("ports") or policy["metadata"]["name"].endswith("-ray")


@every
def test_no_secret_is_made_and_none_is_written_down(path: Path) -> None:
    objects = shipped(path)

    assert [each for each in objects if each["kind"] == "Secret"] == []
    for template in pod_templates(objects):
        for container in [*template["spec"]["containers"], *template["spec"].get("initContainers", [])]:
            assert not [one for one in container.get("env", []) if "secretKeyRef" in str(one)]


@every
def test_every_volume_that_is_mounted_is_there_and_every_one_that_is_there_is_mounted(path: Path) -> None:
    objects = shipped(path)
    claims = {
        (each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"], claim["metadata"]["name"])
        for each in objects
        if each["kind"] == "StatefulSet"
        for claim in each["spec"].get("volumeClaimTemplates", [])
    }
    for template in pod_templates(objects):
        pod, component = template["spec"], template["metadata"]["labels"]["app.kubernetes.io/component"]
        there = {volume["name"] for volume in pod["volumes"]} | {name for who, name in claims if who == component}
        mounted = {
            mount["name"]
            for container in [*pod["containers"], *pod.get("initContainers", [])]
            for mount in container["volumeMounts"]
        }
        assert mounted == there


@every
def test_every_selector_finds_a_pod(path: Path) -> None:
    objects = shipped(path)
    pods = [template["metadata"]["labels"] for template in pod_templates(objects)]
    for each in objects:
        selector = each.get("spec", {}).get("selector")
        if each["kind"] in ("Service", "PodDisruptionBudget", "StatefulSet", "Deployment"):
            wanted = selector if each["kind"] == "Service" else selector["matchLabels"]
            assert any(wanted.items() <= labels.items() for labels in pods), each["metadata"]["name"]


def _addresses(objects: list[Object], told: dict[str, object]) -> set[str]:
    """What leads to one cell's data: secrets, maps, hosts, buckets, networks."""
    words = {str(leaf) for leaf in leaves(told)}
    found = {
        word
        for word in words
        if "://" in word or ".example" in word or word.endswith(tuple(f"/{n}" for n in range(8, 33)))
    }
    found |= {
        str(reference["secretName"])
        for template in pod_templates(objects)
        for volume in template["spec"]["volumes"]
        if (reference := volume.get("secret"))
    }
    return found


@pytest.mark.parametrize(("one", "other"), list(combinations(FILES, 2)), ids=lambda path: path.stem)
def test_two_cells_share_no_address_no_bucket_and_no_secret(one: Path, other: Path) -> None:
    first, second = values(one), values(other)

    assert _addresses(shipped(one), first) & _addresses(shipped(other), second) == set()


@every
def test_no_cell_s_objects_name_another_cell(path: Path) -> None:
    text = text_of(shipped(path))
    others = [values(other)["cell"]["name"] for other in FILES if other != path]

    assert [name for name in others if f"{name}-" in text or f'"{name}"' in text] == []


def test_the_default_values_alone_make_no_cell() -> None:
    with pytest.raises(helm.HelmError, match="cell"):
        render({})


def test_every_dashboard_is_json_and_in_the_chart() -> None:
    (told,) = [path for path in FILES if path.stem == "values-aws"]
    made = [each for each in shipped(told) if each["metadata"]["labels"].get("grafana_dashboard")]

    assert {name for each in made for name in each["data"]} == {
        f"eu-arn-{path.name}" for path in (CHART / "files" / "dashboards").glob("*.json")
    }
    assert all(json.loads(text)["title"].startswith("eu-arn: ") for each in made for text in each["data"].values())


def test_the_schema_knows_every_section_of_the_settings_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))

    assert set(schema["properties"]["settings"]["propertyNames"]["enum"]) == set(CellSettings.model_fields)


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    told = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))

    assert set(schema["properties"]) - {"global"} == set(told)
    for name, section in told.items():
        known = schema["properties"][name].get("properties")
        assert known is None or set(known) == set(section), name


def test_the_notes_after_an_install_name_the_cell_and_what_is_weak_about_it() -> None:
    told = chart().render(values(CHART / "values-kind.yaml"), name="cell", namespace="films")
    notes = told["equerry-cell/templates/NOTES.txt"]

    assert "The cell eu-kin comes up in eu-kin-1" in notes
    assert "exec cell-0 -- equerry tenant add" in notes
    assert ("readers call untrusted" in notes, "for tests" in notes, "on its settings' word" in notes) == (
        True,
        True,
        False,
    )


@pytest.mark.parametrize(
    "path", [path for path in FILES if "accelerator" in path.read_text("utf-8")], ids=lambda p: p.stem
)
def test_one_engine_fills_one_pod(path: Path) -> None:
    ranks = values(path)["engine"]["tensorParallel"]
    for template in pod_templates(shipped(path)):
        if template["metadata"]["labels"]["app.kubernetes.io/component"] == "studio":
            assert template["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == ranks
    for each in shipped(path):
        if each["kind"] == "RayService":
            (group,) = each["spec"]["rayClusterConfig"]["workerGroupSpecs"]
            assert (group["rayStartParams"]["num-cpus"], group["rayStartParams"]["num-gpus"]) == (
                str(ranks),
                str(ranks),
            )
