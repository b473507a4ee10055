# Every target works on a fresh machine that has Python 3.10 or newer and make: it creates .venv and installs what it
# needs, once. Installing again happens when pyproject.toml or constraints.txt change.
#
#   make quickstart PYTHON=python3.12     another interpreter

PYTHON ?= python3
JOBS ?= auto
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help quickstart test fuzz lint format docs pictures wheel clean

help:  ## Show these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

quickstart: $(VENV)/.train  ## Install, train on the packaged digits (a minute), print the accuracy and the report's path
	$(BIN)/sampleformer train digits

# A file stays with one process, which so prepares once what its tests share.
test: $(VENV)/.dev  ## Run the whole test suite, doctests included
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

fuzz: $(VENV)/.dev  ## Read 5 000 damaged files of every kind, an hour at most; FUZZ="--seed 1" and the like go to the program
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.fuzz $(FUZZ)

lint: $(VENV)/.dev  ## Check style, types and the floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## Rewrite the code in the house's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The variable silences the theme's announcement of its successor.
docs: $(VENV)/.docs  ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

pictures: $(VENV)/.train  ## Draw the pictures of docs/pictures.md anew
	$(BIN)/python docs/pictures.py

wheel: $(VENV)/.core  ## Build the wheel into dist/
	$(BIN)/python -m pip wheel --disable-pip-version-check --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean:  ## Remove caches and built files; .venv and runs stay
	rm -rf build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# What a training needs, beside the layers.
$(VENV)/.train: $(VENV)/.core
	@echo "Installing what the program needs ..."
	@$(INSTALL) --no-build-isolation -e ".[train]"
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "sampleformer needs Python 3.10 or newer; name one with: make ... PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# The build back end is installed, pinned like all else, and used from .venv: nothing is fetched behind pip's back.
$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing sampleformer into $(VENV) ..."
	@$(INSTALL) hatchling editables
	@$(INSTALL) --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	@echo "Installing what tests and checks need ..."
	@$(INSTALL) --no-build-isolation -e ".[dev]"
	@touch $@

$(VENV)/.docs: $(VENV)/.core
	@echo "Installing what the documentation needs ..."
	@$(INSTALL) --no-build-isolation -e ".[docs]"
	@touch $@
