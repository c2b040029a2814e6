"""The Ray that a cell starts for itself: on loopback, with a token, silent; and what it is told of studios."""

from __future__ import annotations

import importlib.util
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serving.cluster.head import MOST_PATH, TRIES, head, logical_cores, variables
from serving.errors import Refused, Unavailable
from serving.home import SETTINGS, Site, make_home, own_key, today
from serving.settings_file import load, named

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray and what it imports warn of their own affairs
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed; see make setup-engine"
)


@pytest.fixture
def settings(tmp_path):
    site = Site(cell="eu-par", country="FR", city="Paris")
    make_home(tmp_path, site, [], port=8000, model="pony", signing=own_key(tmp_path), day=today())
    return load(tmp_path / SETTINGS)


@pytest.fixture
def ray(monkeypatch):
    """A Ray that writes down how it is started, and in which environment."""
    told: dict[str, Any] = {}

    def init(**named: object) -> None:
        told.update(named, environment=dict(os.environ), starts=told.get("starts", 0) + 1)
        if told.get("fault") and told["starts"] <= told.get("faults", TRIES):
            raise told["fault"]

    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init, shutdown=lambda: told.update(ended=True)))
    return told


def test_its_own_ray_listens_on_loopback_and_has_no_dashboard(settings, ray):
    with head(settings, os.environ):
        assert (ray["address"], ray["_node_ip_address"], ray["include_dashboard"]) == ("local", "127.0.0.1", False)
        assert ray["environment"]["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
        assert ray["object_store_memory"] == 80 << 20
    assert ray["ended"]


def test_its_own_ray_reports_to_nobody(settings, ray, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")  # whatever a shell has left behind

    with head(settings, os.environ):
        environment = ray["environment"]

    assert {name: environment[name] for name in ("RAY_USAGE_STATS_ENABLED", "VLLM_NO_USAGE_STATS")} == {
        "RAY_USAGE_STATS_ENABLED": "0", "VLLM_NO_USAGE_STATS": "1",
    }  # fmt: skip


def test_nobody_gets_in_without_the_token_of_this_run(settings, tmp_path):
    first, second = (variables(tmp_path, settings) for _ in range(2))
    path = second["RAY_AUTH_TOKEN_PATH"]

    assert second["RAY_AUTH_MODE"] == "token"
    assert first["RAY_AUTH_TOKEN_PATH"] == path
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    token = Path(path).read_text()
    variables(tmp_path, settings)
    assert Path(path).read_text() != token


def test_sockets_of_a_cell_deep_in_folders_have_short_names_all_the_same(settings, ray, tmp_path):
    deep = tmp_path.joinpath(*["a-rather-long-name"] * 6)
    folders = settings.folders.model_copy(update={"scratch": deep})

    with head(settings.model_copy(update={"folders": folders}), os.environ):
        assert len(ray["_temp_dir"]) <= MOST_PATH
        assert Path(ray["_temp_dir"]).resolve() == (deep / "ray").resolve()


@pytest.mark.parametrize("fault", [Exception("The current node timed out"), RuntimeError("Failed to start GCS")])
def test_a_ray_that_does_not_start_says_where_to_look(settings, ray, fault):
    ray["fault"] = fault

    with pytest.raises(Unavailable, match="session_latest/logs"), head(settings, os.environ):
        pass
    assert (ray["starts"], ray["ended"]) == (TRIES, True)


def test_a_ray_that_was_too_slow_is_tried_again(settings, ray):
    ray.update(fault=Exception("The current node timed out"), faults=TRIES - 1)

    with head(settings, os.environ):
        assert ray["starts"] == TRIES


def test_nothing_stays_of_a_start_that_failed_half_way(settings, ray, monkeypatch):
    started: list[subprocess.Popen[bytes]] = []

    def init(**_: object) -> None:
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]))
        raise RuntimeError("Failed to start GCS")

    monkeypatch.setattr(sys.modules["ray"], "init", init)

    with pytest.raises(Unavailable), head(settings, os.environ):
        pass
    assert [process.wait(60) for process in started] == [-signal.SIGKILL] * TRIES


def test_a_ray_that_is_there_is_joined_and_left_as_it_is(settings, ray):
    joined = settings.ray.model_copy(update={"address": "127.0.0.1:6379"})

    with head(settings.model_copy(update={"ray": joined}), os.environ):
        assert ray["address"] == "127.0.0.1:6379"
        assert "_temp_dir" not in ray


def test_there_are_cores_for_every_engine_that_may_run(settings):
    engine = settings.engine.model_copy(update={"kind": "vllm", "tensor_parallel": 2, "most_replicas": 3, "cpus": 1.5})

    assert logical_cores(settings.model_copy(update={"engine": engine})) >= 9 + 1


def options(settings: Any, **engine: object) -> dict[str, Any]:
    from serving.ray_app import bench_options

    return bench_options(settings.model_copy(update={"engine": settings.engine.model_copy(update=engine)}))


@needs_ray
def test_the_ranks_of_an_engine_are_on_one_machine_or_nowhere(settings):
    told = options(settings, kind="vllm", tensor_parallel=4, cpus=2, gpus=True)

    assert told["placement_group_strategy"] == "STRICT_PACK"
    assert told["placement_group_bundles"] == [{"CPU": 8, "GPU": 4.0}]
    assert told["ray_actor_options"]["num_gpus"] == 4.0


@needs_ray
def test_studios_are_counted_by_the_work_only_where_the_settings_let_them(settings):
    fixed, scaled = options(settings, replicas=2, most_replicas=2), options(settings, replicas=1, most_replicas=5)

    assert fixed["num_replicas"] == 2
    assert "autoscaling_config" not in fixed
    assert (scaled["autoscaling_config"]["min_replicas"], scaled["autoscaling_config"]["max_replicas"]) == (1, 5)


@needs_ray
def test_a_studio_has_time_to_hand_its_jobs_back(settings):
    assert options(settings)["graceful_shutdown_timeout_s"] > settings.jobs.drain


@needs_ray
def test_ray_takes_the_policy_that_counts_studios(settings):
    from ray.serve.config import AutoscalingConfig

    config = AutoscalingConfig(**options(settings, most_replicas=5)["autoscaling_config"])

    found = config.policy.get_policy()(**config.policy.policy_kwargs)
    assert found.wait_s == settings.engine.scale_seconds
    assert config.downscale_delay_s == settings.engine.idle_seconds


@needs_ray
def test_a_cell_whose_files_lie_on_one_machine_is_refused_several(settings, monkeypatch):
    import ray

    from serving.ray_app import _refuse_scattered

    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True}, {"Alive": True}, {"Alive": False}])

    with pytest.raises(Refused, match="several machines"):
        _refuse_scattered(settings)


def test_ray_finds_the_settings_by_its_argument_or_by_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("EQUERRY_SETTINGS_FILE", str(tmp_path / "by-variable.toml"))

    assert named({"settings": str(tmp_path / "by-argument.toml")}) == tmp_path / "by-argument.toml"
    assert named(None) == tmp_path / "by-variable.toml"
    monkeypatch.delenv("EQUERRY_SETTINGS_FILE")
    with pytest.raises(Refused, match="No settings file is named"):
        named({})
