# make demo | test | test-fast | test-slow | test-lowest | lint | bench | gallery | numbers | lock: each sets up .venv from
# requirements.lock first, once.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Readable without a terminal, and no bytecode or caches outside the tree.
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: setup demo test test-fast test-slow test-lowest lint format bench gallery numbers lock
setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "keplearn needs Python 3.11 or newer; this is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	@# Libraries are compiled here, once: where Python writes no bytecode, each process would take 3 s more to start.
	VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	$(BIN)/keplearn demo

# A file of tests goes to one of JOBS processes, in the order of tests/conftest.py. A quarter of their time tests wait,
# for processes and clusters that they have started: three keep two cores busy.
JOBS ?= 3
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
test: setup
	$(PYTEST)

# The domain alone: nothing is trained, swept, started or installed.
FAST := orbits data config models evaluation/test_statistics.py evaluation/test_ranking.py evaluation/test_body.py \
  training/test_losses.py core/test_machine.py core/test_processes.py core/test_locks.py systems test_documents.py \
  test_trust.py
test-fast: setup
	$(PYTEST) -m 'not slow and not system' $(FAST:%=tests/%)

# The documents' studies are trained again, and their numbers compared.
test-slow: setup
	$(BIN)/python -m pytest -m slow

# The domain and a training on the lowest versions that pyproject.toml allows, in an environment of their own.
LOWEST := .venv-lowest
test-lowest: setup
	$(PYTHON) -m venv --clear $(LOWEST)
	VIRTUAL_ENV=$(LOWEST) $(BIN)/uv pip install --quiet --resolution lowest-direct --editable '.[study]'
	VIRTUAL_ENV=$(LOWEST) $(BIN)/uv pip install --quiet --group test
	$(LOWEST)/bin/python -m pytest -n $(JOBS) --dist loadfile -m 'not slow and not system' $(FAST:%=tests/%) \
	  tests/training/test_fit.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tools/check_script.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python -m benchmarks

gallery: setup
	$(BIN)/python docs/gallery.py

numbers: setup
	$(BIN)/python docs/results.py

lock:
	test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv; }
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-emit-index-url --no-emit-find-links --group dev pyproject.toml --output-file requirements.lock
