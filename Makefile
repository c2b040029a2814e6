# The doors of the house. `make` alone lists them.
#
# PYTHON is the interpreter that .venv is made from: 3.11 or newer.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help setup demo check test bench

help: ## list these doors
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## a virtual environment in .venv with everything, CPU builds, from requirements.lock

demo: $(READY) ## films with picture and sound from sentences, in out/ (does setup if needed)
	$(BIN)/equerry model demo --out out

check: $(READY) ## formatting, lint, types, import contracts, docs (does setup if needed)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tests/docs/check_docs.py

test: $(READY) ## all tests that need no docker, no cloud and no GPU (does setup if needed)
	$(BIN)/pytest

bench: $(READY) ## every benchmark beside its yardstick, as tables (does setup if needed)
	$(BIN)/equerry model bench
	$(BIN)/python -m benchmarks.policy
	$(BIN)/python -m benchmarks.keys
	$(BIN)/python -m benchmarks.log
	$(BIN)/python -m benchmarks.verify
	$(BIN)/python -m benchmarks.jobs

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
