# Everything a newcomer needs; `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help up test check faults exports bench encoder clean

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

FAULTS = FUZZ_CASES=300 BUILDER_KILLS=20 STORM_ROUNDS=20 SKEWS="60 -60" PAUSE_S=30 \
	$(BIN)/pytest --timeout=7200

faults: $(VENV)/installed-dev ## Break all that docs/reliability.md names, again and again (hours)
	$(FAULTS) tests/faults tests/unit/store tests/integration/test_server_limits.py
	TEST_DATABASE=postgresql $(FAULTS) tests/faults tests/integration/test_postgresql.py

exports: $(VENV)/installed-dev ## Import exports of 1,000 products in each format, as feeds (minutes)
	EXPORT_PRODUCTS=1000 $(BIN)/pytest -n0 -s tests/integration/test_exports.py

bench: $(VENV)/installed-dev ## Measure the system that `make up` runs beside it (minutes)
	$(BIN)/python bench/encode.py --json
	$(BIN)/python bench/ingest.py --json
	$(BIN)/python bench/serve.py --json

encoder: runs/encoder.safetensors ## Train the bundled encoder again from the folder DATA (hours)

# A target for each stage, so that a run that was killed goes on with its stage.
TRAIN = test -n "$(DATA)" || { echo "usage: make encoder DATA=FOLDER (docs/model-card.md)"; exit 2; }; \
	$(BIN)/visearch train $< --data "$(DATA)" --out $@

MOBILENET = weights/mobilenet_v2_1.0_224.safetensors

runs/teacher.safetensors: | $(VENV)/installed
	@mkdir -p runs
	@$(BIN)/visearch weights convert "$(DATA)/$(MOBILENET)" --architecture mobilenet_v2_tf \
		--classes 1001 --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5 --fit stretch --out $@

runs/stage-1.safetensors: recipes/bundled-1.toml runs/teacher.safetensors
	@$(TRAIN) --teacher runs/teacher.safetensors

runs/stage-2.safetensors: recipes/bundled-2.toml runs/stage-1.safetensors
	@$(TRAIN) --start runs/stage-1.safetensors

runs/encoder.safetensors: recipes/bundled-3.toml runs/stage-2.safetensors runs/residual.safetensors
	@$(TRAIN) --start runs/stage-2.safetensors --branch runs/residual.safetensors

# Small convolutions keep one core busy: half of each batch to each of two is a third faster.
runs/residual-1.safetensors runs/residual.safetensors: export \
	XLA_FLAGS = --xla_force_host_platform_device_count=2

runs/residual-1.safetensors: recipes/residual-1.toml | $(VENV)/installed
	@mkdir -p runs
	@$(TRAIN)

runs/residual.safetensors: recipes/residual-2.toml runs/residual-1.safetensors
	@$(TRAIN) --start runs/residual-1.safetensors

clean: ## Remove the virtual environment and the embedded store
	rm -rf $(VENV) .visearch build visearch/index/nearest.so

$(VENV)/python: Makefile
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else \
		f"visearch needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}; run: make PYTHON=python3.12 …")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@touch $@

# Whoever changes one of these must install again.
PACKAGE := pyproject.toml constraints.txt setup.py visearch/index/nearest.c

$(VENV)/installed: $(VENV)/python $(PACKAGE)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/python $(PACKAGE)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/installed
