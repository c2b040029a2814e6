# The doors of the house. `make` alone lists them.
#
# PYTHON is the interpreter that .venv is made from: 3.11 or newer.
#
# WORKERS is how many processes `make test` spreads the tests over, file by file. Two suit two cores.
#
# DEVICE is what `make bench` measures on: cpu or cuda. MODEL is what it measures: pony, or horse with weights from chance.

PYTHON ?= python3
WORKERS ?= 2
DEVICE ?= cpu
MODEL ?= pony
BIN := .venv/bin
READY := .venv/.ready
INFRA := infra/.venv/.ready
ENGINE := .venv-engine/.ready
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help setup setup-infra setup-engine demo check test test-engine test-kind bench preview

help: ## list these doors
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## a virtual environment in .venv with everything, CPU builds, from requirements.lock

demo: $(READY) ## two cells, EU and JP: films, a refusal abroad, an audit (does setup if needed)
	$(BIN)/equerry cell demo --out out

check: $(READY) $(INFRA) ## formatting, lint, types, import contracts, docs (does setup if needed)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	infra/.venv/bin/mypy --config-file infra/mypy.ini
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tests/docs/check_docs.py

test: $(READY) $(INFRA) ## all tests that need no docker, no cloud and no GPU (does setup if needed)
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

bench: $(READY) ## every benchmark beside its yardstick, as tables (does setup if needed)
	$(BIN)/python -m benchmarks --device $(DEVICE) --model $(MODEL)
	$(BIN)/equerry model bench
	$(BIN)/python -m benchmarks.policy
	$(BIN)/python -m benchmarks.keys
	$(BIN)/python -m benchmarks.log
	$(BIN)/python -m benchmarks.verify
	$(BIN)/python -m benchmarks.jobs
	$(BIN)/python -m benchmarks.overload
	$(BIN)/python -m benchmarks.billing --jobs 2000
	$(BIN)/python -m benchmarks.telemetry

test-engine: $(ENGINE) ## tests on Ray and on vLLM for CPU, in .venv-engine (does setup-engine if needed)
	.venv-engine/bin/pytest tests/integration/test_vllm_parity.py tests/integration/test_vllm_metrics.py tests/integration/test_resumed_film.py \
		tests/unit/serving/test_ray_head.py tests/unit/serving/test_cluster.py tests/acceptance/test_ray_*.py tests/chaos/test_ray_chaos.py
	.venv-engine/bin/pytest tests/acceptance/sdk -k ray

test-kind: $(READY) ## two regions as kind clusters, where docker, kind, kubectl and helm are present
	tests/kind/run $(BASE)

preview: $(INFRA) ## pulumi preview of every stack, where pulumi is installed
	@infra/preview

setup-infra: $(INFRA) ## infra/.venv, with the SDKs of Pulumi and of the clouds, from infra/requirements.lock

setup-engine: $(ENGINE) ## .venv-engine, with Ray Serve and vLLM for CPU, from requirements-engine.lock

# The stamp is written last, so a set-up that was broken off goes on where it stopped.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Equerry needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make setup PYTHON=python3.11")'
	@echo "setup 1/3: virtual environment in .venv"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "setup 2/3: packages from requirements.lock; torch is the largest, about 200 MB"
	@$(BIN)/python -m pip install --no-deps -r requirements.lock
	@echo "setup 3/3: equerry itself, editable"
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import torch' || { echo "torch does not load: this is probably its CUDA build. The head of requirements.lock says how to take the CPU build." >&2; exit 1; }
	@touch $(READY)
	@echo "setup: done"

# The SDKs of clouds want another protobuf than Ray does.
$(INFRA): infra/requirements.lock
	@echo "setup-infra: Pulumi and the SDKs of the clouds in infra/.venv, about 700 MB"
	@infra/.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear infra/.venv
	@infra/.venv/bin/python -m pip install --quiet --no-deps -r infra/requirements.lock
	@touch $(INFRA)

$(ENGINE): requirements.lock requirements-engine.lock pyproject.toml
	@echo "setup-engine: Ray Serve and vLLM for CPU in .venv-engine, about 2.6 GB"
	@.venv-engine/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv-engine
	@.venv-engine/bin/python -m pip install --quiet --no-deps -r requirements.lock -r requirements-engine.lock
	@.venv-engine/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@.venv-engine/bin/python -c 'import ray, vllm'
	@touch $(ENGINE)
