# Needs make, Python 3.11 or newer (with venv), and the package index that your pip is set up for; the rest comes from the
# lock. `make` alone lists the targets.

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
PYTEST := $(PYTHON) -m pytest
INSTALLED := $(VENV)/.installed

# Python is started some thousand times by the tests: what was compiled once is kept, whatever the shell has.
export PYTHONDONTWRITEBYTECODE :=

# A .venv is bound to its interpreter and its folder: when either has gone, it is made anew.
$(shell [ -x $(PYTHON) ] && [ "$$(cat $(INSTALLED) 2>/dev/null || pwd)" = "$(CURDIR)" ] || rm -f $(INSTALLED) $(PYTHON))

# What .venv is made with; empty: the first of the usual names that is new enough.
BASE_PYTHON ?=

# The tool that writes the lock is in no lock: only `make lock` needs it.
UV_VERSION := 0.13.8
UV := $(VENV)/lock/bin/uv

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

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

# Where it can't be made, the tests that need it say so.
.PHONY: tryton
tryton: setup ## Make the Tryton that tests and demo post to, in var/tryton, once
	@PYTHONPATH=tests $(PYTHON) -m support.tryton

# The same.
.PHONY: node
node: setup ## Bring the libraries of Node that tests speak HL7 and FHIR with to var/node, once
	@PYTHONPATH=tests $(PYTHON) -m support.node_kit

.PHONY: docs-reference
docs-reference: setup ## Make the reference pages and the schemas for editors anew from the declarations
	@PYTHONPATH=tests $(PYTHON) -m support.reference_pages
	@$(VENV)/bin/casecart schema --write

.PHONY: fhir-definitions
fhir-definitions: setup ## Make the tables of FHIR's definitions anew from HL7's packages, which npm brings
	@PYTHONPATH=tests $(PYTHON) -m support.fhir_definitions

.PHONY: hl7-dictionary
hl7-dictionary: setup ## Make the table of HL7 v2's segments, data types and messages anew from hl7apy's dictionaries
	@PYTHONPATH=tests $(PYTHON) -m support.hl7_dictionary

.PHONY: test
test: lint ## Everything that must pass before a change goes in
	@PYTHONPATH=tests $(PYTHON) -m support.tryton || true
	@PYTHONPATH=tests $(PYTHON) -m support.node_kit || true
	@$(PYTEST) --numprocesses=4 --dist=worksteal

.PHONY: lint
lint: setup ## Style, types and the layers of the house
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy
	@PYTHONPATH=tests $(PYTHON) -m support.unread_keys
	@$(VENV)/bin/lint-imports --no-logo

.PHONY: format
format: setup ## Bring the code into the house's form
	@$(PYTHON) -m ruff check --fix
	@$(PYTHON) -m ruff format

# The counts of each test go to RESULTS. RELIABILITY_SEED=… repeats a run's chance.
RESULTS := var/reliability/latest.json
BREAK := RELIABILITY_FILE=$(RESULTS) $(PYTEST) tests/reliability tests/acceptance tests/bench -m slow -rP

.PHONY: reliability
reliability: setup ## Kill, cut and starve the engine under load (minutes)
	@PYTHONPATH=tests $(PYTHON) -m support.tryton
	@rm -f $(RESULTS)
	@$(BREAK) --timeout 1800 --numprocesses=2

.PHONY: reliability-long
reliability-long: setup ## The same for hours, and its counts into docs/reliability.md
	@PYTHONPATH=tests $(PYTHON) -m support.tryton
	@rm -f $(RESULTS)
	@RELIABILITY=long $(BREAK)
	@PYTHONPATH=tests $(PYTHON) -m support.trial_page $(RESULTS) docs/reliability.md

# One file of tests/fuzz each.
FUZZED := udi framing message path resource

.PHONY: fuzz
fuzz: setup ## Throw bad frames, messages, resources, paths and device identifiers at their parsers, a minute each
	@set -e; for target in $(FUZZED); do PYTHONPATH=tests $(PYTHON) tests/fuzz/$$target.py 60; done

.PHONY: fuzz-long
fuzz-long: setup ## The same with atheris, which looks for new paths through the code: SECONDS=900 each
	@set -e; for target in $(FUZZED); do \
	  PYTHONPATH=tests $(PYTHON) tests/fuzz/$$target.py --atheris -max_total_time=$(or $(SECONDS),900) -timeout=10; done

.PHONY: bench
bench: setup ## Measure CPU per message beside a bare ACK server
	@PYTHONPATH=tests $(PYTHON) tests/bench/run.py
	@PYTHONPATH=tests $(PYTHON) tests/bench/resolve.py
	@PYTHONPATH=tests $(PYTHON) tests/bench/fhir_bundle.py
	@PYTHONPATH=tests $(PYTHON) tests/bench/fhir_intake.py

.PHONY: bench-quick
bench-quick: setup ## The same in under a minute, for a first look
	@PYTHONPATH=tests $(PYTHON) tests/bench/run.py --quick
	@PYTHONPATH=tests $(PYTHON) tests/bench/resolve.py --quick
	@PYTHONPATH=tests $(PYTHON) tests/bench/fhir_bundle.py --quick
	@PYTHONPATH=tests $(PYTHON) tests/bench/fhir_intake.py --quick

.PHONY: bench-growth
bench-growth: setup ## What growth costs, look-ups, start-up and a Tryton's rate (half an hour, and 12 GB of disk)
	@PYTHONPATH=tests $(PYTHON) tests/bench/start.py
	@PYTHONPATH=tests $(PYTHON) tests/bench/growth.py --messages 0 100000 1000000 --chart docs/images/growth.svg
	@PYTHONPATH=tests $(PYTHON) tests/bench/lookups.py
	@PYTHONPATH=tests $(PYTHON) tests/bench/several.py
	@PYTHONPATH=tests $(PYTHON) -m support.tryton
	@PYTHONPATH=tests $(PYTHON) tests/bench/tryton.py

.PHONY: demo
demo: setup ## The main job, to watch: messages in, stock moved in a real ERP (ARGS=--once ends by itself)
	@PYTHONPATH=tests $(PYTHON) tests/acceptance/demo.py $(ARGS)

.PHONY: lock
lock: $(PYTHON) ## Pin the newest versions that pyproject.toml allows into requirements/
	@[ -x $(UV) ] || $(PYTHON) -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip install --quiet --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@set -e; pin() { $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --custom-compile-command 'make lock' "$$@"; }; \
	  pin pyproject.toml --output-file requirements/runtime.txt; \
	  pin pyproject.toml --group dev --constraints requirements/runtime.txt --output-file requirements/dev.txt; \
	  pin requirements/tryton.in --output-file requirements/tryton.txt

.PHONY: clean
clean: ## Remove what the targets made, .venv too
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find engine listeners destinations tests -type d -name __pycache__ -prune -exec rm -rf {} +

.PHONY: erp
erp: setup ## A small Tryton of a made-up hospital to post to, until Ctrl-C (PORT=8765)
	@PYTHONPATH=tests $(PYTHON) -m support.tryton var/erp $(or $(PORT),8765)
