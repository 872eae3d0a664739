# Everything runs from a virtual environment in .venv, which the first target that needs it makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-busy fuzz random-keys lint types contracts check shots bench accuracy mutants release-check clean

run: $(VENV)/.installed
	@$(BIN)/vllm-wizard-tui $(ARGS)

# in more processes than cores, as many tests wait; one that has nothing left takes over from the others
WORKERS ?= 3
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

# the same beside loops that keep every core busy: no test may take silence or seconds for an answer
test-busy: $(VENV)/.dev
	@burners=; trap 'kill $$burners 2>/dev/null' EXIT; trap 'exit 1' HUP INT TERM; \
	for core in $$(seq $$(getconf _NPROCESSORS_ONLN)); do \
		$(BIN)/python -c "import os; all(os.getppid() == $$$$ for _ in iter(int, 1))" & burners="$$burners $$!"; \
	done; \
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

# 200,000 random requests in 40 runs, and plans held against their neighbours; repeatable by its seed: make fuzz SEEDS=7
SEEDS ?= $(shell seq 40)
fuzz: $(VENV)/.dev
	for seed in $(SEEDS); do \
		EXAMPLES=5000 $(BIN)/python -m pytest tests/planning/test_invariants.py \
			--hypothesis-seed=$$seed --hypothesis-show-statistics $(ARGS) || exit 1; \
		EXAMPLES=200 $(BIN)/python -m pytest tests/planning/test_sanity.py \
			--hypothesis-seed=$$seed --hypothesis-show-statistics $(ARGS) || exit 1; \
	done

# the wizard under random keys, clicks and sizes for 20 minutes: make random-keys ARGS="--seed 7 --minutes 2"
random-keys: $(VENV)/.dev
	$(BIN)/python -m tools.random_keys $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

check: lint types contracts test

shots: $(VENV)/.dev
	$(BIN)/python -m tools.screenshots screenshots
	$(BIN)/python -m tools.tour screenshots/tour.svg

release-check: $(VENV)/.dev
	$(BIN)/python -m tools.release_check $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python -m tools.bench
	$(BIN)/python -m tools.bench_models

accuracy: $(VENV)/.dev
	@$(BIN)/python -m tools.accuracy

# one in ten of the faults that mutmut can make in planning/; more: make mutants NAMES="*_mutmut_*[147]", all: NAMES=
NAMES ?= "*_mutmut_*1"
mutants: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --group mutants
	$(BIN)/python -m tools.mutants run $(NAMES)

clean:
	rm -rf $(VENV) .bench dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "on Debian and Ubuntu: apt install python3-venv, then again"; exit 1; }
	@$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml $(BIN)/python
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml $(BIN)/python
	@$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@ $(VENV)/.installed
