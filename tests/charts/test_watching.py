"""Dashboards and alerts ask for metrics that the code exports, by labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from serving.telemetry.metrics import METRICS, Kind, Metric
from tests.charts.rendering import CHART, FILES, Object, merged, pod_templates, render, shipped, values
from tests.charts.test_secrets import role

ALERTS = CHART / "files" / "alerts.yaml"
BOARDS = sorted((CHART / "files" / "dashboards").glob("*.json"))
GIVEN = {"cell", "pod", "le", "job", "namespace", "instance"}  # labels that scraping adds
CLAUSE = re.compile(r"\b(?:by|on|without)\s*\(([^)]*)\)")


def exported() -> dict[str, Metric]:
    """Every series by the name that Prometheus sees."""
    found: dict[str, Metric] = {}
    for metric in METRICS.values():
        ends = ("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",)
        found |= {metric.prometheus + end: metric for end in ends}
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]:
        yield from ((rule["alert"], rule["expr"]) for rule in group["rules"])
    for board in BOARDS:
        for panel in json.loads(board.read_text("utf-8"))["panels"]:
            yield from ((f"{board.stem}: {panel['title']}", target["expr"]) for target in panel["targets"])


def unknown(expression: str) -> list[str]:
    """Names and labels in an expression that nothing exports."""
    known = exported()
    series = re.findall(r"\b(?:equerry|gen_ai|vllm|ray)_\w+", expression)
    wrong = [name for name in series if name not in known]
    labels = {label for name in series if name in known for label in known[name].labels} | GIVEN
    told = [label for inner in re.findall(r"\{([^}]*)\}", expression) for label in re.findall(r"(\w+)\s*[=!~]", inner)]
    told += [label.strip() for inner in CLAUSE.findall(expression) for label in inner.split(",") if label.strip()]
    return wrong + [label for label in told if label not in labels]


@pytest.mark.parametrize(("name", "expression"), list(expressions()), ids=lambda value: value[:40])
def test_what_is_asked_for_is_exported(name: str, expression: str) -> None:
    assert re.search(r"\bequerry_", expression), "it asks for nothing of ours"
    assert unknown(expression) == []


@pytest.mark.parametrize(
    "slip",
    ["sum(equerry_jobs_wating)", "sum by (stat) (equerry_jobs_ended_total)", 'equerry_jobs_ended_total{stat="x"}'],
)
def test_a_slip_in_a_name_or_a_label_would_be_found(slip: str) -> None:
    assert unknown(slip) != []


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            assert set(rule["annotations"]) == {"summary", "next"}
            assert rule["labels"]["severity"] in ("page", "ticket")


def test_what_is_rendered_names_this_cell_and_no_placeholder() -> None:
    objects = shipped(CHART / "values-aws.yaml")
    told = [
        each
        for each in objects
        if each["kind"] == "PrometheusRule" or "grafana_dashboard" in each["metadata"]["labels"]
    ]

    assert len(told) == 1 + len(BOARDS)
    assert all("eu-arn" in json.dumps(each) and "CELL" not in json.dumps(each) for each in told)


def test_prometheus_finds_the_operations_port_and_its_own_way_in() -> None:
    objects = shipped(CHART / "values-aws.yaml")
    (monitor,) = [each for each in objects if each["kind"] == "ServiceMonitor"]
    services = [
        each
        for each in objects
        if each["kind"] == "Service"
        and monitor["spec"]["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
    ]
    watched = {
        role(pod)
        for service in services
        for pod in pod_templates(objects)
        if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    }

    assert watched == {"keeper", "studio"}
    for service in services:
        assert monitor["spec"]["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_has_an_operations_port_says_there_whether_it_is_ready_and_monitors_reach_it(path: Path) -> None:
    objects = render(merged(values(path), {"network": {"monitors": [{"team": "watch"}]}}))
    opened = [
        each["spec"]["podSelector"]
        for each in objects
        if each["kind"] == "NetworkPolicy"
        for rule in each["spec"].get("ingress") or []
        if {"namespaceSelector": {"matchLabels": {"team": "watch"}}} in rule.get("from", [])
        and {"protocol": "TCP", "port": 8001} in rule["ports"]
    ]
    with_port = {role(pod): pod for pod in pod_templates(objects) if "operations" in ports(pod)}

    assert set(with_port) in ({"cell"}, {"keeper", "studio"})
    for name, pod in with_port.items():
        assert ports(pod)["operations"] == 8001
        assert any(selects(each, pod) for each in opened), name
        probe = pod["spec"]["containers"][0].get("readinessProbe")
        assert name == "studio" or probe["httpGet"] == {"path": "/readyz", "port": "operations"}


def ports(pod: Object) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for each in pod["spec"]["containers"] for port in each.get("ports", [])}


def selects(selector: Object, pod: Object) -> bool:
    """As Kubernetes reads a label selector whose expressions say In."""
    labels = pod["metadata"]["labels"]
    some = selector.get("matchExpressions", [])
    assert all(one["operator"] == "In" for one in some)
    return selector["matchLabels"].items() <= labels.items() and all(
        labels[one["key"]] in one["values"] for one in some
    )
