# `make` lists what there is. Everything made is in .venv, .cache and the tools' own caches; `make clean` removes it.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COVERAGE_FLOOR := 94

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

# The virtual environment, in two steps: what the demo needs, and what all else needs. Both from a pinned lock with
# hashes, without resolving anything anew (an old pip does, and takes an extra's newest version for one that is not
# pinned); the package itself is editable. Output goes to standard error, so that `make demo` prints its own alone.
.venv/bin/python:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: install it, or say make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Creating .venv with $(PYTHON)" >&2
	@$(PYTHON) -m venv .venv

.venv/installed-%: requirements-%.lock pyproject.toml | .venv/bin/python
	@echo "Installing $<" >&2
	@$(PIP) install --no-deps --require-hashes --requirement $< >&2
	@PYTHONWARNINGS=ignore $(PIP) install --no-build-isolation --no-deps --editable . >&2
	@touch $@

.PHONY: setup
setup: .venv/installed-dev ## Create .venv with everything for development

.PHONY: demo
demo: .venv/installed-demo ## Run the worker with a broker, a Redis and a simulated dialer; ARGS="--help" for more
	@$(BIN)/outbound-numbers demo $(ARGS)

.PHONY: services
services: .venv/installed-dev ## Get ready the Kafka and the Redis of the tests, and say which they are
	@$(BIN)/python -m tests.services

.PHONY: test
test: services ## Run all tests with their coverage and its floor; ARGS="-k WORD" runs some, without a floor
	@$(BIN)/python -m pytest $(or $(ARGS),--cov --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE_FLOOR))

.PHONY: sim
sim: .venv/installed-dev ## Run 50,000 schedules of the simulation; SIM_SCHEDULES=N other many, SIM_SEED=N one again
	@SIM_SCHEDULES=$(or $(SIM_SCHEDULES),50000) $(BIN)/python -m pytest tests/simulation $(ARGS)

.PHONY: fuzz
fuzz: .venv/installed-dev ## Fuzz with 20,000 inputs of each kind; FUZZ_EXAMPLES=N other many
	@FUZZ_EXAMPLES=$(or $(FUZZ_EXAMPLES),20000) $(BIN)/python -m pytest tests/fuzz $(ARGS)

.PHONY: chaos
chaos: services ## Run all kinds of faults on three brokers, Redis and three replicas; CHAOS_SEED=N, CHAOS_SECONDS=N
	@CHAOS_SEED=$${CHAOS_SEED:-$$(date +%s)} CHAOS_SECONDS=$${CHAOS_SECONDS:-360} $(BIN)/python -m pytest tests/chaos \
		--capture=no --show-capture=no $(ARGS)

.PHONY: bench-quick
bench-quick: services ## Measure the core figures in a minute; ARGS="--rows latency" some of them, --json, --help
	@$(BIN)/python -m bench --quick $(ARGS)

.PHONY: bench
bench: services .venv/installed-bench ## Measure all figures against their bars; writes docs/performance.md and its plots
	@$(BIN)/python -m bench $(or $(ARGS),--write)

.PHONY: lint
lint: .venv/installed-dev ## Check style, types, layers and that the generated schemas are not stale
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m schemas --check

.PHONY: check
check: lint test ## Everything that must hold: lint and test

.PHONY: format
format: .venv/installed-dev ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

.PHONY: schemas
schemas: .venv/installed-dev ## Generate JSON Schema and AsyncAPI from the models
	@$(BIN)/python -m schemas

# The first decides the versions; the others are parts of it, but for what the plots of the bench need beside.
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--all-build-deps --no-annotate --no-emit-options --no-emit-index-url --no-emit-trusted-host --no-emit-find-links

.PHONY: lock
lock: .venv/installed-dev ## Pin the dependencies, with the oldest Python supported; ARGS=--upgrade takes newer ones
	@$(COMPILE) $(ARGS) --extra demo --extra dev --output-file requirements-dev.lock pyproject.toml
	@$(COMPILE) --extra demo --constraint requirements-dev.lock --output-file requirements-demo.lock pyproject.toml
	@$(COMPILE) --extra bench --constraint requirements-dev.lock --output-file requirements-bench.lock pyproject.toml
	@$(COMPILE) --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml
	@! grep -nE '://|^ *--(index|extra-index|trusted|find)|^[^#]*@ ' requirements*.lock

.PHONY: clean
clean: ## Remove everything that was made
	rm -rf .venv .cache .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	find schemas worker tests bench -name __pycache__ -prune -exec rm -rf {} +
