# Needs make, Python 3.11 or newer (with venv), and the package index that your pip is set up for; the rest comes from the
# lock. `make` alone lists the targets.

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
PYTEST := $(PYTHON) -m pytest
INSTALLED := $(VENV)/.installed

# A .venv is bound to its interpreter and its folder: when either has gone, it is made anew.
$(shell [ -x $(PYTHON) ] && [ "$$(cat $(INSTALLED) 2>/dev/null || pwd)" = "$(CURDIR)" ] || rm -f $(INSTALLED) $(PYTHON))

# What .venv is made with; empty: the first of the usual names that is new enough.
BASE_PYTHON ?=

# The tool that writes the lock is in no lock: only `make lock` needs it.
UV_VERSION := 0.13.8
UV := $(VENV)/lock/bin/uv

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: $(INSTALLED) ## Make .venv with everything that the other targets need

# The stamp is newer than the lock and the project file exactly when .venv holds what they say.
$(INSTALLED): pyproject.toml requirements/dev.txt $(PYTHON)
	@echo "Installing what requirements/dev.txt pins"
	@$(PYTHON) -m pip install --quiet --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(PYTHON) -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "$(CURDIR)" > $@

$(PYTHON):
	@found=; for base in $(or $(BASE_PYTHON),python3 python3.13 python3.12 python3.11); do \
	  if "$$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$base; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "casecart needs Python 3.11 or newer; '$(or $(BASE_PYTHON),python3)' here is: $$($(or $(BASE_PYTHON),python3) --version 2>&1)" >&2; \
	  echo "Install one beside it (python3 itself may stay) and name it: make setup BASE_PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv --clear $(VENV) || { \
	  echo "'$$found' can't make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

.PHONY: test
test: lint ## Everything that must pass before a change goes in
	@$(PYTEST)

.PHONY: lint
lint: setup ## Style, types and the layers of the house
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy
	@$(VENV)/bin/lint-imports --no-logo

.PHONY: format
format: setup ## Bring the code into the house's form
	@$(PYTHON) -m ruff check --fix
	@$(PYTHON) -m ruff format

.PHONY: reliability
reliability: setup ## Kill, cut and starve the engine under load (minutes)
	@$(PYTEST) tests/reliability -m slow --timeout 1800 -rP

.PHONY: fuzz
fuzz: setup ## Throw made-up device identifiers at their parser for a minute
	@PYTHONPATH=tests $(PYTHON) tests/fuzz/udi.py 60

.PHONY: bench
bench: setup ## Measure CPU per message beside a bare ACK server
	@PYTHONPATH=tests $(PYTHON) tests/bench/run.py

.PHONY: bench-quick
bench-quick: setup ## The same in under a minute, for a first look
	@PYTHONPATH=tests $(PYTHON) tests/bench/run.py --quick

.PHONY: demo
demo: setup ## A message's whole way, to watch
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" bash tests/acceptance/demo.sh

.PHONY: lock
lock: $(PYTHON) ## Pin the newest versions that pyproject.toml allows into requirements/
	@[ -x $(UV) ] || $(PYTHON) -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip install --quiet --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@set -e; pin() { $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --custom-compile-command 'make lock' pyproject.toml "$$@"; }; \
	  pin --output-file requirements/runtime.txt; \
	  pin --group dev --constraints requirements/runtime.txt --output-file requirements/dev.txt

.PHONY: clean
clean: ## Remove what the targets made, .venv too
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find engine listeners destinations tests -type d -name __pycache__ -prune -exec rm -rf {} +
