"""Renders the chart as `helm install` would, and checks what comes out as a cluster would, without one."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import helm_python as helm
import jsonschema  # type: ignore[import-untyped]  # it brings no types
import yaml
from kubernetes_validate.utils import (  # type: ignore[import-untyped]  # the same
    all_versions,
    schema_contents,
)
from referencing import Registry, Resource

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "charts" / "equerry-cell"
FILES: Final = sorted(CHART.glob("values-*.yaml"))
VERSIONS: Final = tuple(f"1.{minor}" for minor in range(25, 38))
DIGEST: Final = "sha256:" + "a" * 64  # an operator knows the real one

Values = dict[str, Any]
Object = dict[str, Any]

#: Kinds that are not Kubernetes' own, and the fields of their `spec` that the chart may use.
FOREIGN: Final = {
    ("cert-manager.io/v1", "Certificate"): {"secretName", "dnsNames", "privateKey", "issuerRef", "usages"},
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): {"parentRefs", "hostnames", "rules"},
    ("monitoring.coreos.com/v1", "ServiceMonitor"): {"selector", "endpoints"},
    ("monitoring.coreos.com/v1", "PrometheusRule"): {"groups"},
}


@cache
def chart() -> helm.Chart:
    """The chart, loaded once."""
    return helm.Chart.load(CHART)


def values(path: Path) -> Values:
    """A values file, with the digests that only an operator knows."""
    told = _read(path)
    return merged({"image": {} if told["image"].get("tag") else {"digest": DIGEST}}, told)


@cache
def _read(path: Path) -> Values:
    told: Values = yaml.safe_load(path.read_text("utf-8"))
    return told


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Values:
    """Values over values, as Helm lays them."""
    found = copy.deepcopy(dict(base))
    for name, value in over.items():
        both = isinstance(value, Mapping) and isinstance(found.get(name), Mapping)
        found[name] = merged(found[name], value) if both else copy.deepcopy(value)
    return found


def render(told: Values, name: str = "cell", namespace: str = "films") -> list[Object]:
    """Every object of a release. Raises HelmError for values that are refused."""
    texts = manifests(told, name, namespace)
    return [each for text in texts for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each is not None]


def manifests(told: Values, name: str = "cell", namespace: str = "films") -> list[str]:
    """The texts of a release's objects, without the notes for people. Raises HelmError for values that are refused."""
    files = chart().render(told, name=name, namespace=namespace)
    return [text for file, text in files.items() if file.endswith(".yaml")]


@cache
def shipped(path: Path) -> list[Object]:
    """What a values file that is shipped makes; for looking at only."""
    return render(values(path))


def refusal(told: Values) -> str:
    """Why values are refused; "" when they are not."""
    try:
        render(told)
    except helm.HelmError as error:
        return str(error)
    return ""


def check(objects: list[Object], version: str) -> None:
    """Raises for an object that this version of Kubernetes would not take, or that has a name twice."""
    seen = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(seen) == len(set(seen)), f"twice: {sorted(one for one in seen if seen.count(one) > 1)}"
    for each in objects:
        kind = (each["apiVersion"], each["kind"])
        if kind == ("ray.io/v1", "RayService"):
            ray_schema().validate(each)
        elif kind in FOREIGN:
            assert set(each["spec"]) <= FOREIGN[kind], kind
        else:
            native(version, *kind).validate(each)
    for template in pod_templates(objects):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]}
        native(version, "v1", "Pod").validate(pod)


def pod_templates(objects: list[Object]) -> Iterator[Object]:
    """The template of every pod that the objects would make."""
    for each in objects:
        if each["kind"] in ("StatefulSet", "Deployment", "Job"):
            yield each["spec"]["template"]
        elif each["kind"] == "RayService":
            cluster = each["spec"]["rayClusterConfig"]
            yield cluster["headGroupSpec"]["template"]
            yield from (group["template"] for group in cluster["workerGroupSpecs"])


@cache
def native(version: str, api: str, kind: str) -> jsonschema.Draft202012Validator:
    """Kubernetes' own schema of a kind, strictly; made once, since a rendering has thirty objects."""
    least = max(found for found in all_versions() if _number(found) <= _number(version))
    group, _, rest = api.partition("/")
    name = f"{group.partition('.')[0]}-{rest}" if rest else group
    folder = f"kubernetes-json-schema/v{least}-local-strict"
    schema = schema_contents(f"{folder}/{kind.lower()}-{name}.json", version)
    return jsonschema.Draft202012Validator(schema, registry=_definitions(folder, version))


@cache
def _definitions(folder: str, version: str) -> Registry[Any]:
    found: Resource[Any] = Resource.from_contents(schema_contents(f"{folder}/_definitions.json", version))
    return found @ Registry()


def _number(version: str) -> tuple[int, int]:
    major, minor, *_ = version.split(".")
    return int(major), int(minor)


@cache
def ray_schema() -> jsonschema.Draft202012Validator:
    """RayService's schema, with nothing let through that it does not name."""
    text = (Path(__file__).parent / "crds" / "rayservice.v1.yaml").read_text("utf-8")
    return jsonschema.Draft202012Validator(_strict(yaml.safe_load(text)))


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _strict(each) for name, each in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        found.pop("type", None)
    if "properties" in schema and "additionalProperties" not in schema and schema.get("type") == "object":
        found["additionalProperties"] = False
    return found


def settings_of(objects: list[Object]) -> dict[str, str]:
    """The settings files of a release, by the role of those who read them."""
    made = next(each["data"] for each in objects if each["metadata"]["name"].endswith("-settings"))
    return {name.removesuffix(".toml"): str(text) for name, text in made.items()}


def toml_of(objects: list[Object]) -> str:
    """The settings file of the process that writes the log."""
    told = settings_of(objects)
    return told["cell"] if "cell" in told else told["keeper"]


def leaves(tree: Any) -> Iterator[Any]:
    """Every value of a tree that is no tree itself."""
    if isinstance(tree, dict):
        for each in tree.values():
            yield from leaves(each)
    elif isinstance(tree, list):
        for each in tree:
            yield from leaves(each)
    else:
        yield tree


def text_of(objects: list[Object]) -> str:
    """All objects as text, to look for words in."""
    return json.dumps(objects)
