# Two commands for a fresh machine: `make demo` and `make test`. Needs Linux, make, git, Python 3.11
# with venv and pip, and the package index. `TORCH_INDEX=URL` takes PyTorch from another index, such as
# https://download.pytorch.org/whl/cpu, whose build without CUDA is 200 MB instead of gigabytes.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
PARALLEL ?= -n 2 --dist loadfile

.PHONY: demo test test-slow check docs architecture environment clean

demo: environment
	$(BIN)/python -m pipelines.demo data/demo

# Everything but the tests marked slow.
test: check

# All tests: kills, engines, full-size faults.
test-slow: environment
	$(BIN)/python -m pytest $(PARALLEL) -m "slow or not slow"

check: environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(PARALLEL)

# The documentation as a site, build/site/index.html; fails on a broken link.
docs: environment
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

# The map of the code, docs/architecture.md, from the docstrings, and the JSON schema of source files.
architecture: environment
	$(BIN)/python docs/tools/make_architecture.py
	$(BIN)/python docs/tools/make_source_schema.py

environment: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --quiet --constraint constraints.txt --index-url $(TORCH_INDEX) torch)
	PYTHONWARNINGS=ignore DS_BUILD_OPS=0 $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) data/demo build dist *.egg-info
