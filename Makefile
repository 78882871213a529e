# `make study` runs the main job, `make test` all tests; both install what they need into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out

.PHONY: study test lint lock bench clean

study: $(VENV)/.installed
	$(BIN)/paretoken study --out $(OUT) --measure-here

test: $(VENV)/.installed
	$(BIN)/python -m pytest

lint: $(VENV)/.installed
	$(BIN)/ruff check src tests tools benchmarks

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# Needs `pip install uv`; resolves for every supported Python and platform.
lock:
	uv pip compile --universal --python-version 3.11 --extra test --extra engine --generate-hashes --no-header \
	  --no-emit-index-url pyproject.toml -o requirements.lock

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/frontier.py

clean:
	rm -rf $(VENV) $(OUT)
