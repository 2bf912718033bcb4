# The make targets of this project. `make help` lists them; CI runs `make test`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON3 ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
STAMP := $(VENV)/.made-from

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- setup ------------------------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(STAMP) ## create .venv from requirements-dev.lock; the other targets run it first

$(STAMP): requirements-dev.lock
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "AppStack needs Python 3.11 or newer. Select one with: make PYTHON3=python3.12" >&2; exit 1; }
	@echo "setup: creating $(VENV) from requirements-dev.lock"
	@$(PYTHON3) -m venv $(VENV) || { echo "The Python module venv is missing. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: lock
lock: setup ## update both lock files, after a change of pyproject.toml or to newer releases
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --upgrade pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --upgrade --extra dev --extra bench --extra cli pyproject.toml --output-file requirements-dev.lock

# --- generated files --------------------------------------------------------------------------------------------------

.PHONY: generate
generate: setup ## generate the CRD, the chart's copies, the reference and the examples' objects
	@$(PYTHON) -m tools.generate

.PHONY: openapi-table
openapi-table: setup ## generate the table of Kubernetes fields and enums from the oldest supported release
	@$(PYTHON) -m tools.openapi_table

# --- checks -----------------------------------------------------------------------------------------------------------

CODE := operator tools tests bench

.PHONY: format
format: setup ## format the code and fix lint findings
	@$(BIN)/ruff format --quiet $(CODE)
	@$(BIN)/ruff check --quiet --fix-only $(CODE)

.PHONY: check
check: setup ## format, lint, types, import contracts, unit tests, generated files: under a minute
	@$(BIN)/ruff format --quiet --check $(CODE) || { echo "The code is not formatted. Run: make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo >/dev/null || { $(BIN)/lint-imports; exit 1; }
	@$(PYTHON) -m tools.generate --check
	@$(PYTHON) -m pytest --quiet --numprocesses 2 tests/unit tests/project.py

.PHONY: test-nginx
test-nginx: setup ## run real nginx, of Debian and the newest, with generated configurations
	@$(PYTHON) -m pytest --quiet --numprocesses 2 tests/nginx

# --- a real cluster ---------------------------------------------------------------------------------------------------

include tools/cluster.mk tools/ship.mk

TENANTS := tests/api/test_tenants.py

.PHONY: test-api
test-api: setup cluster ## run the tests against a real API server
	@$(PYTHON) -m pytest tests/api --ignore $(TENANTS) --numprocesses 2 --dist loadfile
	@$(PYTHON) -m pytest $(TENANTS)

.PHONY: test
test: check images metrics-server ## run the checks, the API tests and the end-to-end tests on one real cluster
	@$(PYTHON) -m pytest --quiet --numprocesses 2 tests/nginx
	@$(PYTHON) -m pytest tests/api --ignore $(TENANTS) --numprocesses 2 --dist loadfile  # CPU-bound on two cores
	@$(PYTHON) -m pytest $(TENANTS)  # alone: it keeps the API server busy
	@$(PYTHON) -m pytest tests/e2e --numprocesses 4 --dist loadfile --junitxml .cluster/e2e.xml

.PHONY: examples-report
examples-report: setup ## generate docs/examples.md from the last make test
	@$(PYTHON) -m tools.examples_report

# --- benchmarks -------------------------------------------------------------------------------------------------------

N ?= 100,1000
ONLY ?=
ROUNDS ?= 3
IDLE ?= 600
SYSTEMS ?=
OUT ?=
REPORT ?=

.PHONY: bench
bench: setup ## benchmark against bare loops and baseline controllers: N=1000 ONLY=backlog,edit SYSTEMS=appstack,go ROUNDS=3 IDLE=600 OUT=folder REPORT=1
	@$(PYTHON) -m bench -n $(N) --rounds $(ROUNDS) --idle $(IDLE) \
	  $(if $(ONLY),--only $(ONLY)) $(if $(SYSTEMS),--systems $(SYSTEMS)) $(if $(OUT),--out $(OUT)) $(if $(REPORT),--report)
