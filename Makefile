# The front door. `make help` lists the targets; `make demo` and `make test` need nothing but Node 20.19+ and Go.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PODS ?= 20
KEEP ?=
PROFILE ?= control-plane
MINUTES ?= 10
WORKERS ?= 4
ARGS ?=
DEPLOY ?= .

CONTROL_PLANE := node_modules/.bin/tsx tools/control-plane/main.ts
JEST := node --import ./test/support/worker-environment.mjs --experimental-vm-modules --no-warnings node_modules/jest/bin/jest.js
KUBECTL ?= kubectl

##@ Everyday

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*##"; printf "Usage: make <target>\n"} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-zA-Z0-9_-]+:.*##/ {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: node_modules build control-plane $(if $(filter node,$(PROFILE)),images) ## Run the main job on an embedded control plane (PODS=20 REPLICAS=1 KILLS=0; KEEP=1 leaves it running; PROFILE=node: real Pods)
	@PODS=$(PODS) KEEP=$(KEEP) PROFILE=$(PROFILE) node_modules/.bin/tsx tools/demo/main.ts $(ARGS)

.PHONY: test
test: node_modules build ## Run unit and integration tests against a real control plane for each worker (ARGS=path narrows; WORKERS=4)
	@$(CONTROL_PLANE) build --controller-manager >&2
	@$(CONTROL_PLANE) run --copies $(WORKERS) -- $(JEST) --maxWorkers=$(WORKERS) $(ARGS)

.PHONY: e2e
e2e: images ## Run end-to-end tests with real Pods on a real node (root, Debian's containerd; ARGS=path narrows)
	@if $(CONTROL_PLANE) check-node; then $(CONTROL_PLANE) build --profile node >&2; $(CONTROL_PLANE) run --profile node -- $(JEST) -c jest.e2e.config.js $(ARGS); \
	else $(JEST) -c jest.e2e.config.js $(ARGS); fi

.PHONY: lint
lint: node_modules ## Lint (with the layering rule), check format, types and the API's description
	@npm run --silent lint
	@npm run --silent typecheck

.PHONY: format
format: node_modules ## Format every file
	@npm run --silent format

.PHONY: build
build: dist/.built ## Compile the controller and the reporter into dist/

.PHONY: manifests
manifests: node_modules ## Generate CRDs, roles and the OpenAPI document from their sources (ARGS=--check: fail on drift)
	@npm run --silent manifests -- $(ARGS)

.PHONY: control-plane
control-plane: node_modules ## Build what is missing of the embedded control plane (minutes, once per machine)
	@$(CONTROL_PLANE) build >&2

.PHONY: images
images: node_modules build ## Pack the images of controller and reporter into dist/images, without registry or daemon
	@npm run --silent build:reporter:bun >/dev/null
	@node_modules/.bin/tsx tools/images/main.ts

##@ More tests

.PHONY: test-contract
test-contract: node_modules build control-plane ## Fuzz the API of a real controller against its OpenAPI document
	@$(CONTROL_PLANE) run -- $(JEST) -c jest.contract.config.js $(ARGS)

.PHONY: test-faults
test-faults: node_modules build control-plane ## Cut, stall, refuse, compact and kill between controller and API server
	@$(CONTROL_PLANE) run --copies 3 -- $(JEST) -c jest.faults.config.js $(ARGS)

.PHONY: test-mutations
test-mutations: node_modules control-plane ## Break our own code once for each invariant; the checker must notice (ARGS="Unique Legal" chooses)
	@node_modules/.bin/tsx tools/mutations/main.ts $(ARGS)

.PHONY: soak
soak: node_modules build control-plane ## Let Pods come and go for MINUTES=10, watch heap, sockets and requests (SEED=n repeats); then a fifth of that for the operator model
	@status=0; MINUTES=$(MINUTES) node_modules/.bin/tsx test/soak/main.ts || status=1; \
	$(CONTROL_PLANE) build --controller-manager >&2; \
	MODEL_SECONDS=$$(( $(MINUTES) * 12 )) $(CONTROL_PLANE) run --copies 1 -- $(JEST) --maxWorkers=1 test/integration/operator-model.spec.ts || status=1; \
	exit $$status

.PHONY: proof-runs
proof-runs: node_modules build ## Prove that four runs keep their numbers: namespaces deleted, controller killed (PODS=14000 KILLS=20 SEED=n)
	@$(CONTROL_PLANE) build --controller-manager >&2
	@PODS=$(if $(filter command line environment,$(origin PODS)),$(PODS)) KILLS=$(KILLS) SEED=$(SEED) node_modules/.bin/tsx test/proof/main.ts

.PHONY: bench
bench: node_modules build control-plane ## Measure the controller on real parts (BENCH=idle,burst,query,clients,visible,stored RUNS=1 BASELINE=program; see docs/performance.md)
	@node_modules/.bin/tsx test/bench/main.ts

.PHONY: bench-reflector
bench-reflector: node_modules control-plane ## Measure the cache of Pods: handshakes, blocks of the event loop, bytes for each Pod, events/s (PODS=20000)
	@PODS=$(if $(filter command line environment,$(origin PODS)),$(PODS),20000) node --expose-gc --no-warnings --import tsx test/bench/reflector-bench.ts

.PHONY: bench-reporter
bench-reporter: node_modules build ## Measure both builds of the reporter: exec to first probe, memory, CPU
	@npm run --silent build:reporter:bun >/dev/null
	@node_modules/.bin/tsx test/bench/reporter-bench.ts

##@ Deployment (to the cluster of your kubeconfig)

.PHONY: deploy
deploy: ## Apply the manifests with kubectl (DEPLOY=. or an overlay such as config/overlays/readiness-gate)
	@$(KUBECTL) kustomize $(DEPLOY) | $(KUBECTL) apply --server-side -f -

.PHONY: undeploy
undeploy: ## Delete what deploy applied (the same DEPLOY), results and runs included
	@$(KUBECTL) delete deployment -n datapath-observer datapath-controller --ignore-not-found --wait
	@KUBECTL="$(KUBECTL)" tools/release-results.sh
	@$(KUBECTL) kustomize $(DEPLOY) | $(KUBECTL) delete --ignore-not-found -f -

.PHONY: release-results
release-results: ## Let results go that wait for a controller that isn't there, so that their namespaces can end
	@KUBECTL="$(KUBECTL)" tools/release-results.sh

##@ Housekeeping

.PHONY: clean
clean: ## Remove what was built here (the control plane's cache stays)
	rm -rf dist coverage test-results node_modules

node_modules: package.json package-lock.json .npmrc
	@echo "Installing dependencies ..." >&2
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch node_modules

SOURCES := $(shell find src ui -type f 2>/dev/null) package.json tsconfig.json tsconfig.build.json nest-cli.json

dist/.built: node_modules $(SOURCES)
	@echo "Building the controller and the reporter ..." >&2
	@npm run --silent build
	@touch dist/.built
