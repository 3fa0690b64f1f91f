# Every target sets up what it needs. `make run` and `make test` are all a newcomer has to know.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NATIVE := $(VENV)/.native
unexport PYTHONDONTWRITEBYTECODE # a role imports 1,600 modules: without kept bytecode each start takes seconds more

.PHONY: help setup console console-setup xds-descriptors run run-distributed test test-exact upgrade-check coverage mutate check format bench bench-check bench-distributed bench-agent bench-fleet ratelimit fuzz attack audit eval nezha chaos docs services lock clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

setup: $(STAMP) $(NATIVE) ## make .venv with the exact versions of requirements.lock and the spanloom command, and with the native core where cargo is

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Spanloom needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 setup")'
	@echo "setting up $(VENV): about a minute with a warm package cache"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Never fails: without cargo, or without its registry, the kernels are those in Python.
$(NATIVE): $(STAMP) native/build native/pyproject.toml native/Cargo.toml native/Cargo.lock $(wildcard native/src/*.rs native/src/*/*.rs)
	@native/build $(BIN)/python
	@touch $@

run: setup ## the demo: a shop, a fault, its detection and repair; the console at http://127.0.0.1:8080
	@$(BIN)/spanloom demo

run-distributed: setup ## the demo on a Kafka and an Elasticsearch of its own
	@deploy/local/with $(BIN)/spanloom demo

test: setup ## all tests, two at a time
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

coverage: setup ## all tests with what they run of the product, their processes too, as a table; fails below 90 % of its lines
	@rm -rf build/coverage && mkdir -p build/coverage
	@$(BIN)/python -m coverage run -m pytest --numprocesses 2 --dist loadfile
	@$(BIN)/python -m tests.coverage_table

SAMPLE ?= 500
SEED ?= 1
mutate: setup ## change SAMPLE=500 expressions of processors, durable_log, promql and repairs, one at a time, drawn by SEED=1; fails if tests miss 15 %
	@nice $(BIN)/python -m tests.mutation.run --sample $(SAMPLE) --seed $(SEED)

check: setup ## format, lint, types, dependency rule; of the native core too, where cargo is
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports
	@native/check

format: setup ## put every file into the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .
	@if command -v cargo >/dev/null; then cd native && cargo fmt; fi

bench: setup ## spans/s and CPU-seconds of collect, assemble and index
	@$(BIN)/python -m tests.benchmarks.pipeline

BASE ?= main
bench-check: setup ## does this checkout cost more than BASE=main? instructions of kernels (valgrind), stages in turn; fails beyond 15 %
	@$(BIN)/python -m tests.benchmarks.check --base $(BASE)

bench-distributed: setup ## spans/s from Kafka to searchable, beside Elasticsearch's own bulk ceiling
	@$(BIN)/python -m tests.benchmarks.distributed

bench-agent: setup ## what the agent costs a request, beside none and beside nginx; needs wrk
	@$(BIN)/python -m tests.benchmarks.agent
	@if command -v go >/dev/null; then $(MAKE) --silent build/go/bin/grpcload && $(BIN)/python -m tests.benchmarks.agent_grpc; else echo "gRPC is not measured: it needs Go"; fi

bench-fleet: setup ## how fast a revision reaches 1,000 agents and the requests through one Envoy, and what that costs the control plane
	@$(BIN)/python -m tests.benchmarks.fleet

build/go/bin/grpcload: $(wildcard tests/benchmarks/grpc_load/*)
	@cd tests/benchmarks/grpc_load && go build -o $(CURDIR)/$@ .

RATELIMIT := v1.4.1-0.20260122083618-3fb702589d36
ratelimit: build/go/bin/service_cmd ## build envoyproxy/ratelimit, with which a test shares limits; needs Go, two minutes of CPU
build/go/bin/service_cmd:
	@GOBIN=$(CURDIR)/build/go/bin go install github.com/envoyproxy/ratelimit/src/service_cmd@$(RATELIMIT)

test-exact: setup ## kill -9, Kafka bounced and Elasticsearch away during 500,000 spans
	@SPANLOOM_EXACT_SPANS=500000 $(BIN)/python -m pytest tests/system/test_kafka_exact.py

FROM ?= aa8f709
upgrade-check: setup ## a rolling upgrade from FROM=aa8f709, release 0.2.0, and the way back, with both releases as processes; needs git's history
	@test -e build/upgrade/$(FROM) || git worktree add --quiet --detach build/upgrade/$(FROM) $(FROM)
	@$(MAKE) --no-print-directory -C build/upgrade/$(FROM) setup
	@SPANLOOM_UPGRADE_FROM=build/upgrade/$(FROM) $(BIN)/python -m pytest tests/upgrade

FUZZ_SECONDS ?= 1800
FUZZ_INPUTS ?= 0
FUZZ_SEED ?= 1
fuzz: setup ## fuzz every parser that strangers reach, half an hour, FUZZ_SECONDS=60 or FUZZ_INPUTS=500 each; another FUZZ_SEED, other inputs
	@$(BIN)/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS) --inputs $(FUZZ_INPUTS) --seed $(FUZZ_SEED)

audit: setup ## ask PyPI for advisories that name a version of the lock files
	@$(BIN)/python -m tests.advisories

attack: setup ## attack the running product, a line for each attempt: about an hour on two busy cores; LINES=KIND for some
	@$(BIN)/python -m tests.attack.run $(LINES)

eval: setup ## anomalies and root causes scored on public data, from ../shared/data
	@$(BIN)/python -m tests.eval.run

nezha: setup ## every recorded case of ../shared/data/nezha through `spanloom analyse`, checked
	@SPANLOOM_ALL_CASES=1 $(BIN)/python -m pytest -n 2 tests/system/test_analyse.py

docs: setup ## write the pages of docs/reference from the declarations of the components
	@$(BIN)/python -m spanloom.reference

# Node is needed for this and for the console's tests, and never to run Spanloom.
CONSOLE := dashboards/console
$(CONSOLE)/node_modules/.installed: $(CONSOLE)/package.json $(CONSOLE)/package-lock.json
	@cd $(CONSOLE) && npm ci --no-audit --no-fund
	@touch $@

console-setup: $(CONSOLE)/node_modules/.installed ## the packages that build and test the console; needs Node 20.19 or newer

console: console-setup ## build the console's files from its sources, byte for byte the same everywhere
	@cd $(CONSOLE) && npm run --silent build

xds-descriptors: ## write Envoy's API as the product ships it, out of xds-protos in an environment of its own
	@$(PYTHON) -m venv --clear build/xds-protos
	@build/xds-protos/bin/python -m pip install --quiet --disable-pip-version-check xds-protos==1.85.0
	@build/xds-protos/bin/python tests/xds_descriptors.py components/xds/envoy.binpb.gz

chaos: setup ## the suite of chaos experiments on the demo shop
	@$(BIN)/spanloom chaos run --suite

services: setup ## a real Kafka on 9092 and a real Elasticsearch on 9200, without containers, until Ctrl-C
	@trap 'trap - TERM; kill 0' INT TERM EXIT; export PYTHON=$(BIN)/python; \
	deploy/local/kafka/run .services/data/kafka & deploy/local/elasticsearch/run .services/data/elasticsearch & \
	wait

lock: setup ## resolve requirements.lock anew from pyproject.toml
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --no-header --generate-hashes --group shop --group dev pyproject.toml -o requirements.lock
	@echo setuptools | $(BIN)/uv pip compile --quiet --universal --no-header --no-annotate --generate-hashes --group shop --extra oidc \
		--constraint requirements.lock pyproject.toml - -o deploy/requirements.lock

clean: ## remove what the build and the runs made
	rm -rf $(VENV) native/target mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis build out *.egg-info
