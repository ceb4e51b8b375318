# SPDX-License-Identifier: Apache-2.0
# What people and CI run. `make` alone tells.

VENV := .venv
BIN := $(VENV)/bin
PYTHON_FILES := src tests tools examples $(wildcard bench)
# A test works on things of its own, so several run at once; those marked `alone` measure time or the whole machine.
WORKERS := 2
AT_ONCE := -n $(WORKERS)
INTEGRATION = $(wildcard tests/integration tests/cases tests/conformance tests/compat)
BY_FILE := $(AT_ONCE) --dist loadfile --no-loadscope-reorder -m "not alone"
# The engine needs root; the environment says where it lives and how the network is reached.
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env)

.DEFAULT_GOAL := help
.PHONY: help setup setup-test demo demo-clean demo-compose demo-compose-clean fmt check test test-unit test-kernel test-integration fuzz bench run docs

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

setup: ## make .venv/bin/sampan, and install what it needs
	@tools/setup.sh

setup-test: ## the same, with what only the tests need
	@tools/setup.sh --test

demo: setup ## build, run, migrate and open the Django example
	@$(AS_ROOT) $(BIN)/python tools/demo.py run

demo-clean: setup ## remove what the demo made
	@$(AS_ROOT) $(BIN)/python tools/demo.py clean

demo-compose: setup ## Django and PostgreSQL composed as in production, written to and restarted
	@$(AS_ROOT) $(BIN)/python tools/demo_compose.py run

demo-compose-clean: setup ## remove what demo-compose made
	@$(AS_ROOT) $(BIN)/python tools/demo_compose.py clean

fmt: setup ## format the code
	$(BIN)/ruff format $(PYTHON_FILES)
	$(BIN)/ruff check --fix $(PYTHON_FILES)

check: setup ## lint, types, ranks and fast tests: under a minute
	$(BIN)/ruff check $(PYTHON_FILES)
	$(BIN)/ruff format --check $(PYTHON_FILES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q $(AT_ONCE) tests/unit tests/arch

test: setup-test check test-kernel test-integration ## everything, as CI does

test-unit: setup ## the fast tests alone
	$(BIN)/python -m pytest -q $(AT_ONCE) tests/unit tests/arch

test-kernel: setup-test ## each part in real namespaces
	$(AS_ROOT) $(BIN)/python -m pytest -q $(AT_ONCE) tests/kernel

test-integration: setup-test ## a real engine, from the command line and the API
	$(AS_ROOT) $(BIN)/python -m pytest -q $(BY_FILE) $(INTEGRATION)
	$(AS_ROOT) $(BIN)/python -m pytest -q -m alone $(INTEGRATION)

fuzz: setup ## mutate Dockerfiles for SAMPAN_FUZZ_S seconds (600): whatever they say, it is understood or refused
	SAMPAN_FUZZ_S=$${SAMPAN_FUZZ_S:-600} $(BIN)/python -m pytest -q tests/unit/build/test_dockerfile_fuzz.py

bench: setup ## how long things take, beside docker and podman where they are
	$(AS_ROOT) $(BIN)/python bench/run.py
	$(AS_ROOT) $(BIN)/python bench/serving.py

run: setup ## the engine in the foreground
	$(AS_ROOT) $(BIN)/sampan engine run

docs: setup ## write the generated pages again
	$(BIN)/python tools/ledger.py
