# One name per chore. `make test` and `make demo` do all their own set-up on a fresh Debian with Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNNING := $(BIN)/python -m
TEST_WORKERS ?= 2

.PHONY: help test test-faults lint demo bench serve clean

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

# The virtual environment, with everything the chores need; made again when what it is made from changes.
$(VENV)/installed: pyproject.toml constraints.txt tools/setup
	PYTHON="$(PYTHON)" VENV="$(VENV)" sh tools/setup
	@touch $@

test: $(VENV)/installed lint ## tests, doctests, ruff, mypy, import contracts
	sh tools/debian prometheus prometheus-alertmanager strace
	command -v npm >/dev/null || sh tools/debian npm
	$(RUNNING) pytest -n $(TEST_WORKERS) --dist loadgroup -m "not alone"
	$(RUNNING) pytest -m alone

test-faults: $(VENV)/installed ## every fault at full length (PARTS="kill disk": these); its table goes to docs/reliability.md
	sh tools/debian strace
	$(RUNNING) tests.faults $(PARTS)

lint: $(VENV)/installed ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict monitor grafana
	$(BIN)/lint-imports

demo: $(VENV)/installed ## a year of real flights through the real service (ONCE=1: end by itself)
	$(BIN)/driftline demo $(if $(ONCE),--once)

bench: $(VENV)/installed ## every benchmark, each a ratio against a baseline of the same run
	$(RUNNING) benchmarks

serve: $(VENV)/installed ## the service on http://127.0.0.1:8000
	$(BIN)/driftline serve

clean: ## remove what the chores made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
