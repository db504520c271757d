# `make run` starts Casebell, `make test` tests it. Both install what they need in .venv; a second call is instant.

PYTHON ?= python3
ARGS   ?=
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
UV     := .build/uv/bin/uv
CONFIG := $(or $(CASEBELL_CONFIG),casebell.toml)

# Without cached bytecode every process compiles all modules at its start; the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

.PHONY: help run test check faults lint format bench lock words docs pictures clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: $(VENV)/$(if $(wildcard $(CONFIG)),.ready-run,.ready-demo) ## start the service with casebell.toml, or else the demo; ARGS="--port 9000" is passed on
	@if [ -e "$(CONFIG)" ]; then exec $(BIN)/casebell serve $(ARGS); else exec $(BIN)/casebell demo $(ARGS); fi

test: $(VENV)/.ready-dev .build/tools .build/prism .build/mailcheck .build/slackschema ## run all tests; ARGS="-k clicks" is passed on
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: $(VENV)/.ready-dev ## run the tests that need no server, browser or node, then lint; about a minute
	@$(BIN)/python -m pytest -n auto --dist worksteal -m "not (postgres or prism or tools)" tests/unit tests/adapters tests/walk $(ARGS)
	@$(MAKE) --no-print-directory lint

faults: $(VENV)/.ready-dev ## run the long fault tests; make test runs their short form
	@CASEBELL_FAULTS=long $(BIN)/python -m pytest -n auto -s tests/faults tests/store tests/unit tests/adapters tests/walk/test_ledger_follows_sources.py $(ARGS)

lint: $(VENV)/.ready-dev ## check format, rules, types and import layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.ready-dev ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/.ready-dev ## run the benchmarks; ARGS="idle clicks" selects some
	@$(BIN)/python -m tests.bench $(ARGS)

words: $(VENV)/.ready-dev ## collect new sentences for translation
	@$(BIN)/python -m tools.catalogs

pictures: $(VENV)/.ready-dev .build/tools ## make docs/pictures/ again
	@$(BIN)/python -m tests.pictures $(ARGS)

docs: $(VENV)/.ready-dev ## write docs/configuration.md again
	@$(BIN)/python -m tools.configuration_page

lock: $(UV) ## pin requirements/*.txt again, with hashes
	@also=; for name in run demo dev; do \
	  $(UV) pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	    $$also requirements/$$name.in -o requirements/$$name.txt; \
	  also="--constraint requirements/$$name.txt"; \
	done

clean: ## remove what make has installed
	@rm -rf $(VENV) .build

# Casebell runs from the checkout: a .pth file names the folder, so nothing has to be built or installed.
$(VENV)/.ready-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Casebell needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@echo "Setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import os, sysconfig; open(sysconfig.get_path("purelib") + "/casebell.pth", "w").write(os.getcwd() + "\n")'
	@printf '#!/bin/sh\nexec "$$(dirname -- "$$0")/python" -P -m receiver "$$@"\n' > $(BIN)/casebell
	@chmod +x $(BIN)/casebell
	@touch $@

# run: the service; demo: with the sandbox; dev: with the tests.
$(foreach name,run demo dev,$(VENV)/.ready-$(name)): $(VENV)/.ready-%: requirements/%.txt | $(VENV)/.ready-venv
	@echo "Installing $<"
	@$(PIP) install --require-hashes -r $<
	@touch $@

# Optional tools: tests that need a browser, the mock of Debitura's API, the checks of mails or Slack's manifest schema
# are skipped, with a reason, where the tool is missing.
.build/tools: .ci/tools
	@mkdir -p .build
	@.ci/tools || true
	@touch $@

.build/prism: $(wildcard tests/prism/install.sh)
	@mkdir -p .build
	@if [ -f tests/prism/install.sh ] && command -v npm >/dev/null; then \
	  bash tests/prism/install.sh </dev/null || echo "prism: not installed, its tests are skipped"; fi
	@touch $@

.build/mailcheck: $(wildcard tests/mailcheck/install.sh)
	@mkdir -p .build
	@if [ -f tests/mailcheck/install.sh ] && command -v npm >/dev/null; then \
	  bash tests/mailcheck/install.sh </dev/null || echo "mail checks: not installed, their tests are skipped"; fi
	@touch $@

.build/slackschema: tests/slackschema/install.sh
	@mkdir -p $@
	@bash tests/slackschema/install.sh 2>/dev/null || echo "Slack's manifest schema: not available, its test is skipped"
	@touch $@

$(UV):
	@$(PYTHON) -m venv .build/uv
	@.build/uv/bin/python -m pip --quiet --disable-pip-version-check install uv
