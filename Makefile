# One menu of commands. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE := $(BIN)/node
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.PHONY: help run test check bench chaos format lock assets screenshots clean

help: ## List the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run web/dist/manifest.json ## Install what is missing and serve the demo shop on http://localhost:8000
	@$(BIN)/aftercare serve --demo

test: $(VENV)/.dev web/dist/manifest.json $(VENV)/.services ## Run the whole suite (installs what the tests need)
	@$(BIN)/python -m tests.clauses
	@$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/browser --ignore tests/chaos
	@$(BIN)/python -m pytest tests/chaos
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/browser
	@cd web && PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent test

check: $(VENV)/.dev web/dist/manifest.json ## Lint, types, import rules, audit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd web && PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent check
	$(BIN)/pip-audit --require-hashes --disable-pip -r requirements.lock

TEXTS ?=
bench: $(VENV)/.dev ## Measure; prints tables (TEXTS=labelled.json: score the masks on it too)
	$(BIN)/python -m benchmarks.vault
	$(BIN)/python -m benchmarks.masking $(TEXTS)
	$(BIN)/python -m benchmarks.privacy
	$(BIN)/python -m benchmarks.messages
	$(BIN)/python -m benchmarks.connections

LENGTH ?= 10
chaos: $(VENV)/.dev web/dist/manifest.json $(VENV)/.services ## Break everything that can break, at length (LENGTH=10), and write it down
	$(BIN)/python -m tests.chaos.report $(LENGTH)

format: $(VENV)/.dev ## Format the Python sources
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .

screenshots: $(VENV)/.dev web/dist/manifest.json $(VENV)/.services ## Take the pictures for README and for a look
	$(BIN)/python -m tests.browser.screenshots

lock: ## Resolve the dependencies anew, with hashes
	$(BIN)/uv pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url --extra build \
	  --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url --extra build --extra dev \
	  --python-version 3.11 pyproject.toml -c requirements.lock -o requirements-dev.lock

assets: web/dist/manifest.json ## Build the browser files

clean: ## Remove what was installed and built (never var/)
	rm -rf $(VENV) web/node_modules web/dist .mypy_cache .ruff_cache .pytest_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or newer is needed.'; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; \
	  else echo "Python's venv module is missing. Run: sudo apt-get install python3-venv"; exit 1; fi; }
	@echo 'Making $(VENV)...'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	@echo 'Installing (first run only)...'
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo 'Installing what the tests need...'
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.services: tests/services.sh | $(BIN)/python
	@bash tests/services.sh
	@touch $@

web/node_modules/.installed: web/package.json web/package-lock.json | $(VENV)/.run
	@echo 'Installing the browser build...'
	@cd web && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

web/dist/manifest.json: web/node_modules/.installed $(WEB_SOURCES)
	@cd web && PATH="$(CURDIR)/$(BIN):$$PATH" node build.mjs
