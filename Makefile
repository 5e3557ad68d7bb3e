# Two commands: `make repro` and `make test`. Needed beforehand: git, make and Python 3.11 or newer.
#   make repro SCALE=tiny         another scale (tiny, laptop, cpu, gpu, paper); it is written into params.yaml
#   make repro VENV=/some/env     share one environment between checkouts
#   make repro PYTHON=python3.12  the interpreter the environment is made with
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
SCALE ?=
NAME ?=
STUDY ?=
LOCKED := $(VENV)/.locked-$(shell $(PYTHON) -c "import hashlib; print(hashlib.sha256(open('requirements.lock', 'rb').read()).hexdigest()[:12])")
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: repro test lint format bench record lock

repro: $(LOCKED)
	@git rev-parse --git-dir > /dev/null 2>&1 || \
	  { echo "error: no git repository (a downloaded archive?): clone it, or run: git init && git add -A && git commit -m start" >&2; exit 2; }
	@case "$(SCALE)" in ""|tiny|laptop|cpu|gpu|paper) ;; \
	  *) echo "error: SCALE=$(SCALE): must be tiny, laptop, cpu, gpu or paper" >&2; exit 2 ;; esac
	@if [ -n "$(SCALE)" ]; then sed -i.bak 's/^scale: [a-z]*/scale: $(SCALE)/' params.yaml && rm params.yaml.bak; fi
	@stale=$$(python -m stages.download --stale && python -m stages.arrived) || exit $$?; \
	  for stage in $$stale; do dvc repro --force --single-item $$stage || exit $$?; done
	@dvc repro
	@echo "The report: $(CURDIR)/reports/report.html (its ledger: reports/summary.md)"

# Two workers of one thread each: with two each, small layers spend most of their time waiting for a core.
test: $(LOCKED)
	@OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests

lint: $(LOCKED)
	@ruff check .
	@ruff format --check .
	@mypy

format: $(LOCKED)
	@ruff check --fix .
	@ruff format .

bench: $(LOCKED)
	@python -m benchmarks

record: $(LOCKED)
	@python -m stages.record $(NAME) $(if $(SCALE),--scale $(SCALE)) $(if $(STUDY),--study $(STUDY))

# Every package at one version with its hash; needs uv. No index address gets into the file.
lock:
	@uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header -o requirements.lock requirements.in

$(LOCKED): requirements.lock
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	  { echo "error: $(PYTHON) is older than Python 3.11: name a newer one, for example make repro PYTHON=python3.12" >&2; exit 2; }
	@$(VENV)/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || \
	  { echo "error: no environment could be made in $(VENV) (on Debian: install python3-venv), delete it and try again" >&2; exit 2; }
	@echo "Installing the locked environment into $(VENV) (about 2 minutes, 6 GB)"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@rm -f $(VENV)/.locked-* && touch $@
