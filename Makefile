# `make study` runs the main job, `make test` all tests. Every target installs what it needs into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out
SOURCES := src tests tools benchmarks scripts

.PHONY: study study-here test test-fast test-nightly format lint types docs compiled check lock release bench clean

study: $(VENV)/.study
	$(BIN)/paretoken study --out $(OUT)

# The same, with a curve of this machine beside the published ones: a small model on llama.cpp, half a minute.
study-here: $(VENV)/.engine
	$(BIN)/paretoken study --out $(OUT) --measure-here

test: $(VENV)/.dev
	scripts/system-packages
	scripts/test

test-fast: $(VENV)/.dev
	scripts/test fast

# Many more Hypothesis examples than `make test`, 5,000 damaged inputs for each reader (hours), and an hour of load on
# two servers.
test-nightly: $(VENV)/.dev
	HYPOTHESIS_PROFILE=nightly scripts/test coverage
	HYPOTHESIS_PROFILE=nightly PARETOKEN_FUZZ=5000 scripts/test
	$(BIN)/python benchmarks/client/soak.py --minutes 60

format: $(VENV)/.dev
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/oxlint --quiet src/paretoken/report/assets src/paretoken/serve/assets

types: $(VENV)/.dev
	$(BIN)/mypy

docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# What CI runs. Two at a time, because mypy uses one core; meanwhile the other compiles the tests for all their workers.
check: $(VENV)/.dev
	$(MAKE) --jobs 2 --output-sync lint types docs compiled
	$(MAKE) test

compiled: $(VENV)/.dev
	scripts/test collect > /dev/null

# Resolves for every supported Python and platform.
lock: $(VENV)/.dev
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --group build --generate-hashes --no-header \
	  --no-emit-index-url --constraint requirements.lock -o requirements-build.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra engine --generate-hashes --no-header \
	  --no-emit-index-url --constraint requirements.lock --constraint requirements-build.lock pyproject.toml \
	  -o requirements-engine.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra engine --extra dev --generate-hashes --no-header \
	  --no-emit-index-url --constraint requirements.lock --constraint requirements-build.lock pyproject.toml \
	  -o requirements-dev.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra serve --extra mcp --extra otel --extra tokenizer \
	  --generate-hashes --no-header --no-emit-index-url --constraint requirements-dev.lock pyproject.toml \
	  -o deploy/requirements.lock

# Build, check and test the wheel: `make release`, then tag.
release: $(VENV)/.dev
	scripts/release

bench: $(VENV)/.study
	$(BIN)/python benchmarks/frontier.py

clean:
	rm -rf $(VENV) $(OUT) site

# Without byte code, which Python writes for what it imports: 0.1 GB less.
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

# First pip, then what builds this package, by hash like all the rest: nothing is fetched for the build.
$(VENV)/.study: requirements-build.lock requirements.lock pyproject.toml
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements-build.lock
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.engine: requirements-engine.lock $(VENV)/.study
	$(PIP) --require-hashes -r requirements-engine.lock
	touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.study
	$(PIP) --require-hashes -r requirements-dev.lock
	touch $@
