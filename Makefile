# `make study` runs the main job, `make test` all tests. Every target installs what it needs into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out
SOURCES := src tests tools benchmarks scripts

.PHONY: study test test-fast test-nightly format lint types docs check lock release bench clean

study: $(VENV)/.study
	$(BIN)/paretoken study --out $(OUT) --measure-here

test: $(VENV)/.dev
	scripts/system-packages
	scripts/test

test-fast: $(VENV)/.dev
	scripts/test fast

# Many more Hypothesis examples than `make test`.
test-nightly: $(VENV)/.dev
	HYPOTHESIS_PROFILE=nightly scripts/test

format: $(VENV)/.dev
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

types: $(VENV)/.dev
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/mkdocs build --strict

# What CI runs.
check: lint types docs test

# Resolves for every supported Python and platform.
lock: $(VENV)/.dev
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra engine --generate-hashes --no-header \
	  --no-emit-index-url pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra engine --extra dev --generate-hashes --no-header \
	  --no-emit-index-url --constraint requirements.lock pyproject.toml -o requirements-dev.lock

# Build, check and test the wheel: `make release`, then tag.
release: $(VENV)/.dev
	scripts/release

bench: $(VENV)/.study
	$(BIN)/python benchmarks/frontier.py

clean:
	rm -rf $(VENV) $(OUT) site

$(VENV)/.study: requirements.lock pyproject.toml
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.study
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@
