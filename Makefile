# `make demo` and `make test` are all that a new user needs; `make check` is what the CI runs.
.PHONY: demo test check faults soak parts lint schema golden clean
.DELETE_ON_ERROR:

MODERN := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
            $$python -c '$(MODERN)' 2>/dev/null && { echo $$python; break; }; done)
BIN    := .venv/bin
PLUGINS := $(patsubst %/pyproject.toml,-e ./%,$(wildcard plugins/*/pyproject.toml))

demo: .venv/core
	$(BIN)/srpo-manifest apply --again manifests/demo.toml

test: .venv/dev
	$(BIN)/python -m pytest -q -n auto -m "not slow and not several"

check: lint parts test
	$(BIN)/python -m pytest -q -m slow

# Everything that docs/faults.md lists.
faults: .venv/dev parts
	$(BIN)/python -m pytest -q -m fault

soak: .venv/dev
	$(BIN)/python -m pytest -q -m soak -s

# What the slower suites need beside Python packages: with root and apt it is installed, elsewhere tests say what is missing.
parts: .venv/torch
	tests/install-parts.sh strace gcc sshd=openssh-server ip=iproute2

# The real torchrun, in a place of its own: it is large.
.venv/torch: .venv/bin/python
	$(PYTHON) -m venv .venv/torch-env
	.venv/torch-env/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy
	touch $@

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

schema golden: .venv/dev
	$(BIN)/python -m pytest -q -n auto --update-golden

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "no Python of 3.11 or newer is on PATH: install one, or give PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv .venv

# A current pip writes start scripts that import nothing of their own: a third of what `--version` costs.
.venv/core: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/dev: .venv/core $(wildcard plugins/*/pyproject.toml)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' $(PLUGINS)
	touch $@
