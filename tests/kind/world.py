"""Two regions as kind clusters, each with one cell that the chart has installed. Everything is done by the tools that
operators have: docker, kind, kubectl, helm and the cell's own commands."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

__all__ = ["EU", "JP", "Region", "missing", "overlay", "two_regions"]

ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "charts" / "equerry-cell"
IMAGE: Final = "localhost/equerry:kind"
DATABASE: Final = "docker.io/library/postgres:16"
TOOLS: Final = ("docker", "kind", "kubectl", "helm")
NAMESPACE: Final = "films"
MINUTE: Final = 60.0  # seconds
CLIP: Final = {"prompt": "a red circle bounces on a black background", "seconds": "2", "size": "64x64"}


@dataclass(slots=True)
class Region:
    """One cluster and the cell in it."""

    cell: str  # such as eu-kin
    country: str
    city: str
    port: int  # on this machine
    key: str = field(default="", repr=False)

    @property
    def law(self) -> str:
        """The jurisdiction."""
        return self.cell[:2].upper()

    @property
    def url(self) -> str:
        """Where clients find the cell."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def site(self) -> str:
        """As `equerry cell init --neighbour` takes it."""
        return f"{self.cell},{self.country},{self.city}"

    def kubectl(self, *arguments: str, seconds: float = 5 * MINUTE) -> str:
        """A command in this cluster and the cell's namespace."""
        return run("kubectl", "--context", f"kind-{self.cell}", "--namespace", NAMESPACE, *arguments, seconds=seconds)

    def in_cell(self, *arguments: str) -> Any:
        """One of the cell's own commands, with --json."""
        return json.loads(self.kubectl("exec", "cell-0", "--", "equerry", *arguments, "--json"))

    def ready(self, seconds: float = 10 * MINUTE) -> None:
        """Until the cell can do its work."""
        self.kubectl("rollout", "status", "statefulset/cell", f"--timeout={seconds:.0f}s", seconds=seconds + 10)
        until(lambda: httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200, "the cell is ready", MINUTE)

    def client(self, key: str | None = None) -> httpx.Client:
        """A client with this cell's key, or with another one."""
        headers = {"authorization": f"Bearer {key or self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def submit(self, count: int) -> list[str]:
        """Jobs that the cell has accepted."""
        with self.client() as client:
            return [str(client.post("/v1/videos", json=CLIP).raise_for_status().json()["id"]) for _ in range(count)]

    def state(self, job: str) -> str:
        """How a job is; "away" when nobody answers just now."""
        try:
            with self.client() as client:
                return str(client.get(f"/v1/videos/{job}").raise_for_status().json()["status"])
        except httpx.HTTPError:
            return "away"

    def ends(self, jobs: list[str], seconds: float = 15 * MINUTE) -> list[str]:
        """How jobs end."""
        over = ("completed", "failed")
        until(lambda: all(self.state(job) in over for job in jobs), "all jobs have ended", seconds)
        return [self.state(job) for job in jobs]

    def node(self) -> str:
        """The node that the cell runs on, which is also the name of its container."""
        return self.kubectl("get", "pod", "cell-0", "--output=jsonpath={.spec.nodeName}")

    def nodes(self) -> list[str]:
        """All nodes' containers."""
        return run("kind", "get", "nodes", "--name", self.cell).split()


EU: Final = Region("eu-kin", "FR", "Paris", 8100)
JP: Final = Region("jp-kin", "JP", "Tokyo", 8110)


def missing() -> str:
    """What keeps these tests from running, in words; "" when nothing does."""
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"{', '.join(absent)} cannot be found on this machine"
    if subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=MINUTE).returncode:
        return "the docker daemon does not answer"
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode:
        return f"there is no image {IMAGE}: tests/kind/run builds it"
    return ""


def overlay(region: Region) -> dict[str, Any]:
    """What differs from values-kind.yaml for one region."""
    place = f"{region.cell}-1"
    return {
        "cell": {
            "name": region.cell,
            "jurisdiction": region.law,
            "provider": f"own-{region.law.lower()}",
            "region": place,
            "origin": region.url,
        },
        "database": {"passwordSecret": {"name": f"{region.cell}-database"}},
        "policies": {"configMap": f"{region.cell}-policies", "catalogue": "catalogue.json", "trust": "trust.json"},
    }


@contextmanager
def two_regions() -> Iterator[tuple[Region, Region]]:
    """Both clusters with their cells and a tenant each; deleted afterwards, whatever happens."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            for region, other in ((EU, JP), (JP, EU)):
                _make(region, other, Path(folder))
            yield EU, JP
        finally:
            for region in (EU, JP):
                run("kind", "delete", "cluster", "--name", region.cell)


def _make(region: Region, other: Region, folder: Path) -> None:
    _make_cluster(region, folder)
    documents = folder / f"{region.cell}-home"
    run(sys.executable, "-m", "equerry", "cell", "init", str(documents), "--name", region.cell, "--country",
        region.country, "--city", region.city, "--neighbour", other.site)  # fmt: skip
    run("kubectl", "--context", f"kind-{region.cell}", "create", "namespace", NAMESPACE)
    run("kubectl", "--context", f"kind-{region.cell}", "label", "namespace", NAMESPACE,
        "pod-security.kubernetes.io/enforce=restricted")  # fmt: skip
    names = ("catalogue.json", "catalogue.json.sig", "trust.json")
    region.kubectl("create", "configmap", f"{region.cell}-policies", *(f"--from-file={documents / n}" for n in names))
    password = folder / f"{region.cell}-password"
    password.write_text(secrets.token_hex(16))
    region.kubectl("create", "secret", "generic", f"{region.cell}-database", f"--from-file=password={password}")
    install(region, folder)
    region.ready()
    _add_tenant(region)


def _make_cluster(region: Region, folder: Path) -> None:
    text = (Path(__file__).parent / "cluster.yaml").read_text("utf-8")
    file = folder / f"{region.cell}.yaml"
    for word, value in (("NAME", region.cell), ("REGION", f"{region.cell}-1"), ("PORT", str(region.port))):
        text = text.replace(word, value)
    file.write_text(text, "utf-8")
    run("kind", "create", "cluster", "--config", str(file), "--wait", "5m", seconds=10 * MINUTE)
    for image in (IMAGE, DATABASE):
        run("kind", "load", "docker-image", "--name", region.cell, image, seconds=10 * MINUTE)


def install(region: Region, folder: Path) -> None:
    """`helm upgrade --install`, as an operator does it."""
    file = folder / f"{region.cell}-values.yaml"
    file.write_text(yaml.safe_dump(overlay(region)), "utf-8")
    run("helm", "upgrade", "--install", "cell", str(CHART), "--kube-context", f"kind-{region.cell}", "--namespace",
        NAMESPACE, "--values", str(CHART / "values-kind.yaml"), "--values", str(file))  # fmt: skip


def _add_tenant(region: Region) -> None:
    at = ("--cell", "/var/lib/equerry")
    tenant = region.in_cell("tenant", "add", "acme", *at, "--home", region.law, "--jurisdiction", region.law,
                            "--class", "personal")["id"]  # fmt: skip
    region.key = str(region.in_cell("tenant", "key", "add", tenant, *at)["key"])


def run(*command: str, seconds: float = 5 * MINUTE) -> str:
    """What a command prints. Raises with what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    if done.returncode:
        raise RuntimeError(f"{command[0]} {command[1]} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout.strip()


def until(holds: Callable[[], bool], what: str, seconds: float) -> None:
    """Waits until something holds. Raises when it does not in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if holds():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise TimeoutError(f"{seconds:.0f} s have passed, and it is not so that {what}")
