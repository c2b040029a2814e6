"""What the chart renders is what a cell starts from: a pod's files are laid out here, and the cell's parts are made."""

from __future__ import annotations

import ssl
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from policies.constraints import Evidence
from serving import pod
from serving.errors import Refused
from serving.parts import build
from serving.settings_file import load
from tests.charts.rendering import CHART, merged, render, toml_of, values
from tests.kind.world import EU, JP, overlay
from tests.tls import make_pair
from tests.unit.serving.test_attest import World, node

Start = Callable[[str], Evidence]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts the parts of a rendered cell on a node of the region that is named; says how well it knows its place."""
    pair = make_pair(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    world = World(lambda method, path: (200, node("")))
    server = world.serve(context)
    monkeypatch.setenv("EQUERRY_ATTEST__NODE", "node-7")
    (tmp_path / "token").write_text("the-token")

    def started(region: str) -> Evidence:
        world.answer = lambda method, path: (200, node(region))
        file = laid_out(tmp_path, {"api": f"https://127.0.0.1:{server.server_port}", "token": str(tmp_path / "token"),
                                   "authority": str(pair.certificate)})  # fmt: skip
        assert pod.main([str(file), "--secrets", str(tmp_path / "from"), str(tmp_path / "run/equerry/secrets")]) == 0
        parts = build(load(file))
        parts.close()
        return Evidence(parts.place.evidence)

    yield started
    server.shutdown()
    server.server_close()


def laid_out(root: Path, attest: dict[str, str]) -> Path:
    """A pod's files below `root`; the paths in the settings follow."""
    home = root / "home"
    if not home.exists():
        subprocess.run(
            [sys.executable, "-m", "equerry", "cell", "init", home, "--name", EU.cell, "--country", EU.country,
             "--city", EU.city, "--neighbour", JP.site], check=True, capture_output=True
        )  # fmt: skip
    told = merged(values(CHART / "values-kind.yaml"), overlay(EU))
    told = merged(told, {"database": {"internal": {"enabled": False}, "passwordSecret": {"name": ""}},
                         "settings": {"attest": attest}})  # fmt: skip
    text = toml_of(render(told))
    for path in ("/etc/equerry/policies", "/run/equerry", "/var/lib/equerry", "/scratch"):
        text = text.replace(f'"{path}', f'"{root}{path}')
    policies = root / "etc" / "equerry" / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    for name in ("catalogue.json", "catalogue.json.sig", "trust.json"):
        (policies / name).write_bytes((home / name).read_bytes())
    (root / "var" / "lib" / "equerry").mkdir(parents=True, exist_ok=True)  # the volume
    file = root / "cell.toml"
    file.write_text(text, "utf-8")
    return file


def test_a_rendered_cell_starts_on_a_node_of_its_region_and_starts_again(start: Start) -> None:
    assert [start("eu-kin-1"), start("eu-kin-1")] == [Evidence.ENDPOINT] * 2


def test_a_rendered_cell_does_not_start_on_a_node_of_another_region(start: Start, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"eu-kin is to serve from eu-kin-1, and its node's label says jp-kin-1"):
        start("jp-kin-1")

    assert not (tmp_path / "var/lib/equerry/log").exists(), "it has not even opened its log"


def test_settings_that_are_rendered_hold_nothing_that_toml_would_read_otherwise() -> None:
    told = merged(values(CHART / "values-kind.yaml"), {"settings": {"media": {"hosts": ['a"b', "ü\\n", "<&>"]}}})
    text = toml_of(render(told))

    assert tomllib.loads(text)["media"]["hosts"] == ['a"b', "ü\\n", "<&>"]
