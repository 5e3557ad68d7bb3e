# Two commands: `make repro` and `make test`. Needed beforehand: git, make and Python 3.11 or newer.
#   make repro SCALE=tiny         another scale (tiny, laptop, cpu, gpu, paper); it is written into params.yaml
#   make repro VENV=/some/env     share one environment between checkouts
#   make repro PYTHON=python3.12  the interpreter the environment is made with
#   make verify NAME=name         a recorded run again, from its commit: do the numbers agree? (STUDY= or STAGE= a part of it)
#   make compare EXP=name         an experiment (or any git revision) beside HEAD, on one page
#   make faults KILLS=10          a run killed 10 times (40) and started again, then bad inputs: docs/reliability.md
#   make mutants ONLY=name        one planted fault of tests/mutants.yaml, or all: do the tests find it?
SHELL := /bin/bash
# A shell may hold these names for other reasons; assigned here, they count on the command line of make alone.
PYTHON := python3
VENV := .venv
SCALE :=
STUDY :=
NAME :=
STAGE :=
KEEP :=
EXP :=
AGAINST :=
ONLY :=
KILLS :=
# No $(abspath): a path may hold blanks.
# Nor may a variable keep Python from the folder it is started in, or send it to other libraries.
unexport PYTHONSAFEPATH PYTHONHOME
export PATH := $(if $(filter /%,$(firstword $(VENV))),$(VENV),$(CURDIR)/$(VENV))/bin:$(PATH)

.PHONY: repro test test-experiments mutants faults lint format bench record verify compare lock environment

repro: environment
	@python -m stages.repro $(if $(SCALE),--scale "$(SCALE)")

# Two workers of one thread each: with two each, small layers spend most of their time waiting for a core.
test: environment
	@OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests

# The graph at scale tiny, then one setting changed: what runs again, and what `dvc metrics diff` shows of it.
test-experiments: environment
	@OMP_NUM_THREADS=1 python -m pytest -m experiment tests/test_pipeline.py

mutants: environment
	@OMP_NUM_THREADS=1 python -m tests.mutants $(ONLY)

faults: environment
	@OMP_NUM_THREADS=1 python -m tests.faults $(KILLS)

lint: environment
	@ruff check .
	@ruff format --check .
	@mypy

format: environment
	@ruff check --fix .
	@ruff format .

bench: environment
	@python -m benchmarks

record: environment
	@python -m stages.record "$(or $(NAME),$(error name it: make record NAME=my-run))" $(if $(SCALE),--scale "$(SCALE)") $(if $(STUDY),--study $(STUDY)) $(foreach item,$(SET),--set "$(item)")

verify: environment
	@python -m stages.verify "$(or $(NAME),$(error name it: make verify NAME=cnnf-cpu))" $(if $(STUDY),--study $(STUDY)) $(if $(STAGE),--stage "$(STAGE)") $(if $(KEEP),--keep)

compare: environment
	@python -m stages.experiment "$(or $(EXP),$(error name it: make compare EXP=my-experiment))" $(if $(AGAINST),--against "$(AGAINST)")

# Every package at one version with its hash; needs uv. No index address gets into the file.
lock:
	@uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --extra dev -o requirements.lock pyproject.toml

environment:
	@"$(PYTHON)" stages/environment.py "$(VENV)" $(if $(SCALE),--scale "$(SCALE)")
