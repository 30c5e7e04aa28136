# The service runs from .venv, which has no torch; everything else runs from .venv-dev.
# Both are made on first use, and again after a change of pyproject.toml.

# The first of these that fits is taken: make serve PYTHON=/path/to/python3.12
PYTHON ?= python3 python3.13 python3.12 python3.11
# More flags for the service: make serve ARGS="--port 9000"
ARGS ?=

SERVE := .venv/bin
DEV := .venv-dev/bin
# First and alone, in exactly this spelling: others can resolve to another build.
TORCH := $(shell sed -n 's/^ *"\(torch==[0-9.]*\)".*/\1/p' pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help serve test test-install test-container test-observe test-deploy test-soak test-web lint types format reference docs bench bench-quick clean

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

serve: .venv/.installed ## Serve models/default on port 8000
	$(SERVE)/sentiment serve $(ARGS)

test: .venv-dev/.installed ## Run the tests
	$(DEV)/python -m pytest -n auto --dist loadfile

test-install: .venv-dev/.installed ## Install the package into a fresh environment and serve from it
	$(DEV)/python -m pytest tests/contract -m install -s

test-container: .venv-dev/.installed ## Build the image, start it by compose and ask it
	$(DEV)/python -m pytest tests/container -m container -s -rs

test-observe: .venv-dev/.installed ## Let Prometheus scrape the service, and ask it every query of the dashboard
	$(DEV)/python -m pytest tests/deploy -m observe -s -rs

test-deploy: .venv-dev/.installed ## Run nginx and systemd's check on the examples of docs/deploy.md
	$(DEV)/python -m pytest tests/deploy -m deploy -s -rs

test-soak: .venv-dev/.installed ## Load the service for a minute, compare every answer and weigh it
	$(DEV)/python -m pytest tests/service -m soak -s

test-web: .venv-dev/.browser ## Use the page in Chromium
	$(DEV)/python -m pytest tests/web -m browser -rs

lint: .venv-dev/.installed ## Check style and format
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .

types: .venv-dev/.installed ## Check the types
	$(DEV)/mypy

format: .venv-dev/.installed ## Format, and fix what can be fixed
	$(DEV)/ruff check --fix .
	$(DEV)/ruff format .

reference: .venv-dev/.installed ## Make the tables of docs/api.md and docs/tune.md anew
	$(DEV)/python -m docs.reference

docs: .venv-dev/.installed ## Build the site of docs/ into site/
	$(DEV)/mkdocs build

# ARGS="--bundle DIR --peers mosec,ray --scenarios short,mixed --seconds 10 --rounds 5"
bench: .venv-dev/.installed ## Compare the serving core with its peers, in about 25 minutes
	$(DEV)/python -m benchmarks.serve run $(ARGS)

bench-quick: .venv-dev/.installed ## A small part of it in under 5 minutes, into benchmarks/.quick
	$(DEV)/python -m benchmarks.serve run --peers nothing,mosec --scenarios short,mixed \
	  --variants 6 --seconds 2 --rounds 2 --output benchmarks/.quick $(ARGS)

clean: ## Remove the environments and every cache
	rm -rf .venv .venv-dev .mypy_cache .pytest_cache .ruff_cache .hypothesis dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: pyproject.toml
	@$(call make_environment,.venv)
	$(SERVE)/python -m pip install --editable .
	@touch $@

.venv-dev/.installed: pyproject.toml
	@$(call make_environment,.venv-dev)
	$(DEV)/python -m pip install $(TORCH)
	$(DEV)/python -m pip install --editable '.[client,docs,examples,train,peers,minilm,teachers,vectors,dev]'
	@touch $@

.venv-dev/.browser: .venv-dev/.installed
	$(DEV)/python -m pip install --editable '.[browser]'
	@touch $@

define make_environment
fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; \
if $(1)/bin/python -c "$$fits" 2>/dev/null && test -x $(1)/bin/pip; then exit 0; fi; \
for python in $(PYTHON); do \
  if $$python -c "$$fits" 2>/dev/null; then \
    echo "Making $(1) with $$($$python --version)"; \
    exec $$python -m venv --clear $(1); \
  fi; \
done; \
echo "Python 3.11, 3.12 or 3.13 is needed, and none of these is: $(PYTHON)" >&2; \
echo "Name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; \
exit 1
endef
