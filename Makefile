# One line of help each: `make` prints them.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: .venv/.app ## set up, then trade a whole simulated day end to end (no credentials)
	@$(BIN)/saudagar demo

test: .venv/.dev ## set up, then run every test with branch coverage
	@$(BIN)/python -m tests.run

check: .venv/.dev ## lint, types, and the import rules of the rooms
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: .venv/.dev ## measure the hot paths (prints figures and ratios; asserts nothing)
	@$(BIN)/python -m benchmarks.run

soak: .venv/.dev ## the long runs: every crash point, every fault, many days
	@$(BIN)/python -m pytest -m soak -p no:cacheprovider -o timeout=3600

docs: .venv/.dev ## run every example of README.md and docs/
	@$(BIN)/python -m pytest -q tests/acceptance/test_docs.py

lock: ## resolve the pinned versions anew (needs `uv` on the path)
	uv pip compile --universal --python-version 3.11 --no-emit-index-url --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" -q --upgrade pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --no-emit-index-url --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" -q --upgrade --extra research --extra cluster --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

clean: ## remove everything that was built or recorded
	rm -rf .venv var dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("saudagar needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 ...")'
	@echo "Setting up .venv (once; about a minute) ..."
	@$(PYTHON) -m venv .venv

.venv/.app: requirements.lock pyproject.toml | .venv/bin/python
	@$(BIN)/python -m pip install --disable-pip-version-check -q --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps -e .
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.app
	@$(BIN)/python -m pip install --disable-pip-version-check -q --require-hashes -r requirements-dev.lock
	@touch $@

.PHONY: help demo test check bench soak docs lock clean
