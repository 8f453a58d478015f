# Every target sets up what it needs in .venv; nothing but Python 3.11 or newer, git and make has to be there.
PYTHON ?= python3
BIN := .venv/bin
export PIP_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Tests of a file stay in one worker, and those that need PostgreSQL too.
PYTEST := $(BIN)/pytest -n logical --dist loadgroup --no-loadscope-reorder

.PHONY: help serve test quick check docs demo bench proto constraints clean
.DELETE_ON_ERROR:

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: .venv/serving ## Serve the bundled catalog on localhost:50051
	$(BIN)/palate serve

test: .venv/developing ## Run all tests
	$(PYTEST)

quick: .venv/developing ## Run the tests that need no server of their own, in under a minute
	$(PYTEST) tests/unit tests/contract

check: .venv/developing ## Lint, check types, and check the contract with its generated code
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/buf lint protos
	$(BIN)/buf breaking protos --against protos/released.binpb
	$(BIN)/python protos/generate.py --check

docs: .venv/documenting ## Build the pages as a site in build/docs; warnings are errors
	$(BIN)/sphinx-build -q -W --keep-going -n docs build/docs
	@echo "open build/docs/index.html"

demo: .venv/showing ## Follow a listener of three tastes through every stage, and draw a report
	$(BIN)/palate lab demo

bench: .venv/developing ## Measure the server under load, training and swaps, as ratios within one run
	$(BIN)/palate lab bench

proto: .venv/developing ## Generate the Python code of the contract anew
	$(BIN)/python protos/generate.py

constraints: ## Pin the newest versions that pyproject.toml allows
	rm -rf .venv/pinning && $(PYTHON) -m venv .venv/pinning
	PIP_CONSTRAINT= .venv/pinning/bin/pip install -q --upgrade pip hatchling editables
	PIP_CONSTRAINT= .venv/pinning/bin/pip install -q -e '.[train,console,dask,lab,postgres,ray]' --group dev --group docs
	.venv/pinning/bin/pip freeze --all --exclude-editable | grep -v '^setuptools==' > constraints.txt
	rm -rf .venv/pinning

clean: ## Remove what the other targets made
	rm -rf .venv build dist palate-data palate-comparison palate-report .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/serving: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install -q --upgrade pip
	$(BIN)/pip install -q -e .
	@touch $@

.venv/showing: .venv/serving
	$(BIN)/pip install -q -e '.[lab]'
	@touch $@

.venv/developing: .venv/serving
	$(BIN)/pip install -q -e '.[train,console,dask,lab,postgres,ray]' --group dev
	@touch $@

.venv/documenting: .venv/developing
	$(BIN)/pip install -q --group docs
	@touch $@
