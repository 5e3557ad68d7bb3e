# Two commands: `make repro` and `make test`. Needed beforehand: git, make and Python 3.11 or newer.
#   make repro SCALE=tiny      another scale (tiny, laptop, gpu, paper); it is written into params.yaml
#   make repro VENV=/some/env  share one environment between checkouts
PYTHON ?= python3
VENV ?= .venv
SCALE ?=
NAME ?=
STUDY ?=
LOCKED := $(VENV)/.locked-$(shell $(PYTHON) -c "import hashlib; print(hashlib.sha256(open('requirements.lock', 'rb').read()).hexdigest()[:12])")
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: repro test lint format bench record lock

repro: $(LOCKED)
	@$(if $(SCALE),sed -i.bak 's/^scale: [a-z]*/scale: $(SCALE)/' params.yaml && rm params.yaml.bak)
	@for stage in $$(python -m stages.download --stale); do dvc repro --force --single-item $$stage || exit 1; done
	@dvc repro
	@echo "The report: $(CURDIR)/reports/report.html (its ledger: reports/summary.md)"

test: $(LOCKED)
	python -m pytest

lint: $(LOCKED)
	ruff check .
	ruff format --check .
	mypy

format: $(LOCKED)
	ruff check --fix .
	ruff format .

bench: $(LOCKED)
	python -m benchmarks

record: $(LOCKED)
	python -m stages.record $(NAME) $(if $(SCALE),--scale $(SCALE)) $(if $(STUDY),--study $(STUDY))

# Every package at one version with its hash; needs uv. No index address gets into the file.
lock:
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header -o requirements.lock requirements.in

$(LOCKED): requirements.lock
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked environment into $(VENV) (about 2 minutes, 6 GB)"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@rm -f $(VENV)/.locked-* && touch $@
