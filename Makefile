# Everything a newcomer needs; `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help up test check bench encoder clean

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

up: $(VENV)/installed ## Run the whole system; stop it with Ctrl-C
	@exec $(BIN)/visearch up

test: $(VENV)/installed-dev ## Run the linters, the type checker and every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

check: $(VENV)/installed-dev ## Run the linters, the type checker and the quick tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest tests/unit tests/docs

bench: $(VENV)/installed-dev ## Measure the system that `make up` runs beside it (minutes)
	$(BIN)/python bench/encode.py --json
	$(BIN)/python bench/ingest.py --json
	$(BIN)/python bench/serve.py --json

encoder: runs/encoder.safetensors ## Train the bundled encoder again from the folder DATA (hours)

# Two targets, so that a run that was killed goes on with its stage.
runs/stage-1.safetensors: recipes/bundled-1.toml | $(VENV)/installed
	@test -n "$(DATA)" || { echo "usage: make encoder DATA=FOLDER (docs/model-card.md)"; exit 2; }
	mkdir -p runs
	$(BIN)/visearch train $< --data "$(DATA)" --out $@

runs/encoder.safetensors: recipes/bundled-2.toml runs/stage-1.safetensors
	@test -n "$(DATA)" || { echo "usage: make encoder DATA=FOLDER (docs/model-card.md)"; exit 2; }
	$(BIN)/visearch train $< --start runs/stage-1.safetensors --data "$(DATA)" --out $@

clean: ## Remove the virtual environment and the embedded store
	rm -rf $(VENV) .visearch build

$(VENV)/python: Makefile
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else \
		f"visearch needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}; run: make PYTHON=python3.12 …")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/python pyproject.toml constraints.txt
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/python pyproject.toml constraints.txt
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/installed
