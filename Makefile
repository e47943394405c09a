# Two commands for a fresh machine: `make demo` and `make test`. Needs Linux, make, git, Python 3.11
# with venv and pip, and the package index.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow check environment clean

demo: environment
	$(BIN)/python -m pipelines.demo data/demo

# Everything but the tests marked slow.
test: check

# All tests: kills, engines, full-size faults.
test-slow: environment
	$(BIN)/python -m pytest -m "slow or not slow"

check: environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

environment: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) data/demo build dist *.egg-info
