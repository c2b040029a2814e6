"""What Ray Serve is told is something that it knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.rendering import CHART, ROOT, shipped

#: Keys of Ray 2.60's ServeDeploySchema and ServeApplicationSchema; it overlooks others without a word.
DEPLOY = {"proxy_location", "http_options", "grpc_options", "logging_config", "applications"}
APPLICATION = {"name", "route_prefix", "import_path", "runtime_env", "host", "port", "deployments", "args",
               "external_scaler_enabled", "autoscaling_policy", "logging_config"}  # fmt: skip
RAY = [path for path in sorted(CHART.glob("values-*.yaml")) if path.stem != "values-kind"]


def told(path: Path) -> dict[str, Any]:
    """The Serve configuration that a values file makes."""
    for each in shipped(path):
        if each["kind"] == "RayService":
            found: dict[str, Any] = yaml.safe_load(each["spec"]["serveConfigV2"])
            return found
        if "serve.json" in each.get("data", {}):
            return dict(json.loads(each["data"]["serve.json"]))
    raise AssertionError("no Serve configuration")


@pytest.mark.parametrize("path", RAY, ids=lambda path: path.stem)
def test_no_key_is_one_that_serve_would_overlook(path: Path) -> None:
    config = told(path)

    assert set(config) <= DEPLOY
    assert all(set(application) <= APPLICATION for application in config["applications"])


@pytest.mark.parametrize("path", RAY, ids=lambda path: path.stem)
def test_serve_s_own_schema_takes_it(path: Path) -> None:
    schema = pytest.importorskip("ray.serve.schema", reason="ray is not installed here")

    assert schema.ServeDeploySchema.model_validate(told(path))
    assert set(schema.ServeDeploySchema.model_fields) >= DEPLOY
    assert set(schema.ServeApplicationSchema.model_fields) >= APPLICATION - {"autoscaling_policy"}


def test_the_application_that_is_named_is_one_of_ours() -> None:
    (application,) = told(RAY[0])["applications"]
    module, _, name = application["import_path"].partition(":")
    text = (ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")

    assert f"def {name}(" in text
    assert application["args"] == {"settings": "/etc/equerry/cell.toml"}
    assert application["route_prefix"] is None
