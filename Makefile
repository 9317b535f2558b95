# Targets say what they do in `make help`. Needed: Python 3.11 or newer and make; everything else goes into .venv.
# PYTHON chooses the interpreter, ARGS is passed on: make run PYTHON=python3.12 ARGS="--free-ports"

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
# of the tests, at the same time: auto is one more than there are cores, up to eight; 0 runs all tests in this process
WORKERS ?= auto
# 1 measures the branch coverage of the tests, which then take twice as long: of all tests, but not of some, unless asked
COVERAGE ?= $(if $(ARGS),,1)
# for run, status and clean: the folder of a system other than the airline, with its manifests/ and functions/
SYSTEM ?=
# for run: PROVIDER=apart puts the payment provider into a process of its own; MAIL=smtp://127.0.0.1:1025 tells customers
PROVIDER ?=
MAIL ?=
# images: REGISTRY and TAG name them, PUSH=1 pushes them, DOCKER=podman builds them, BUILD_ARGS are passed on
DOCKER ?= docker
REGISTRY ?= dev.local/airline
TAG ?= dev
PUSH ?=
BUILD_ARGS ?=
# sbom: for some of the images, or laptop
NAMES ?=
# bench: the folder with the same saga on DBOS and Restate, and its driver
PEERS ?=
FUNCTION ?= reserve
DIR ?= $(FUNCTION)-image
# run: 1 sends traces to OTEL_EXPORTER_OTLP_ENDPOINT or, without one, to a Jaeger of this machine (docs/observability.md)
TRACES ?=
# clusters: the settings of knative/render go with it
OVERLAY ?= kafka

SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run status bench test check lint format types tests lock policy lists images image image-names image-tree image-config pin-images sbom audit sign check-signatures manifests deploy undeploy smoke remember rollback \
  demo-scale-to-zero demo-hpa demo-rollout test-cluster kind docs screenshots contracts dashboards clean

# What a person has set for other programs; no recipe may behave differently because of it.
unexport BASH_ENV ENV CDPATH GREP_OPTIONS
unexport PYTHONHOME PYTHONPATH PYTHONSAFEPATH PYTHONSTARTUP PYTHONOPTIMIZE PYTHONWARNINGS PYTHONINSPECT
# without bytecode, every start of a function compiles its sources again
unexport PYTHONDONTWRITEBYTECODE
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_DRY_RUN

ifneq ($(words $(VENV)),1)
$(error VENV is "$(VENV)": for make, a name ends at a blank. Name another folder, or none for .venv)
endif

IN_VENV := $(VENV)/bin/python -m
OF_SYSTEM := $(if $(SYSTEM),--system "$(SYSTEM)")
APART := --also knative/components/payment-provider/payment-provider.yaml --also knative/components/payment-webhooks/payment-webhooks.yaml \
  --set PAYMENT_PROVIDER_URL=http://payment-provider.airline.svc.cluster.local
MAILS = --also knative/components/notifications/notifications.yaml --set SMTP_URL=$(MAIL) --set MAIL_FROM=reservations@airline.example
FUNCTIONS := $(patsubst %/main.py,%,$(wildcard functions/*/main.py))
ROOMS := choreography airline contracts examples client terminal broker laptop cli images sbom knative demos docs observability scaffold testbed tests benchmarks
IMAGE_NAMES := $(notdir $(FUNCTIONS)) migrations gateway
IMAGE_SOURCE = $(if $(filter gateway,$(FUNCTION)),gateway,$(if $(filter migrations,$(FUNCTION)),--target migrations .,--build-arg FUNCTION=$(FUNCTION) .))
SHELL_SCRIPTS = $(shell grep -rlIE '^\#!.*sh$$' bin .ci images knative demos)
empty :=
space := $(empty) $(empty)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.laptop ## the whole airline on this machine, until Ctrl-C; SYSTEM=examples/library for another system; TRACES=1
	@$(IN_VENV) laptop run $(OF_SYSTEM) $(if $(TRACES),--traces) $(if $(filter apart,$(PROVIDER)),$(APART)) $(if $(MAIL),$(MAILS)) $(ARGS)

status: $(VENV)/.laptop ## each function awake or asleep, its starts, the backlog of its Triggers
	@$(IN_VENV) laptop status $(OF_SYSTEM) $(ARGS)

test: check ## everything that needs no cluster: lint, types and all tests

check: lint types tests ## what CI runs

lint: $(VENV)/.dev ## faults and format of Python, shell scripts, Dockerfiles and workflows; edits nothing
	@$(IN_VENV) ruff check .
	@$(IN_VENV) ruff format --check .
	@$(VENV)/bin/hadolint Dockerfile gateway/Dockerfile
	@$(VENV)/bin/shellcheck --external-sources --check-sourced --source-path=SCRIPTDIR --severity=warning $(SHELL_SCRIPTS)
	@$(IN_VENV) check_jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(IN_VENV) check_jsonschema --quiet --builtin-schema vendor.renovate renovate.json
	@$(VENV)/bin/zizmor --offline --quiet .github

format: $(VENV)/.dev ## ruff: format, and mend what can be mended safely
	@$(IN_VENV) ruff check --fix .
	@$(IN_VENV) ruff format .

# each folder of functions by itself: together, their main.py would be one module several times
types: $(VENV)/.dev ## mypy, strict
	@failed=0; \
	MYPYPATH=$(subst $(space),:,. $(FUNCTIONS)) $(IN_VENV) mypy --explicit-package-bases $(ROOMS) || failed=1; \
	for folder in $(FUNCTIONS); do echo "$$folder:"; $(IN_VENV) mypy "$$folder" || failed=1; done; exit $$failed

# without KUBECONFIG: nobody expects tests that need no cluster to install something on one
# past any proxy: the tests start their servers on this machine
# the closing line of pytest is repeated below the coverage, where CI looks for it
# tests/distribution.py says how many workers there are, and what each takes; ARGS="-n 0" is one process, for a debugger
tests: $(VENV)/.dev ## all tests, with branch coverage; ARGS="tests/unit -x" for some of them, COVERAGE=1 with it
	@rm -f .coverage .coverage.*
	@export no_proxy="$${no_proxy:-$$NO_PROXY},127.0.0.1,localhost"; export NO_PROXY="$$no_proxy"; \
	set -o pipefail; env -u KUBECONFIG $(VENV)/bin/python -u -m pytest -n $(WORKERS) $(if $(COVERAGE),--cov --cov-report=) --durations=20 $(ARGS) | tee $(VENV)/pytest.log
ifneq ($(COVERAGE),)
	@$(IN_VENV) coverage report --skip-covered --skip-empty
	@tail -n 1 $(VENV)/pytest.log
endif

bench: $(VENV)/.dev ## what a saga costs: prints a table and writes benchmarks/results/; PEERS=folder compares with DBOS and Restate
	@PEERS="$(PEERS)" $(IN_VENV) benchmarks.table $(ARGS)

# its words are in the environment: make puts there what is given on its command line, whatever characters it has
policy: $(VENV)/.dev ## a new policy: NAME=thank-customer FOLDER=loyalty HEARS=ReservationConfirmed SAYS=LetterSent
	@$(IN_VENV) scaffold

lists: $(VENV)/.laptop ## write the lists that follow from knative/base and functions/ (scaffold/lists.py)
	@$(IN_VENV) scaffold.lists .

# dev.txt holds all the others to its versions
lock: $(VENV)/.dev ## write requirements/*.txt from *.in; ARGS=--upgrade takes newer versions
	@$(IN_VENV) pip install --quiet --disable-pip-version-check uv
	@uv="$$(cd $(VENV) && pwd -P)/bin/uv" && cd requirements && held=/dev/null && for set in dev laptop migrations functions; do \
	  "$$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links $(ARGS) --constraints "$$held" "$$set.in" -o "$$set.txt" || exit 1; held=dev.txt; \
	  echo "requirements/$$set.txt"; \
	done

contracts: $(VENV)/.dev ## write what is made from the code: schemas, AsyncAPI, diagrams; make check compares; ARGS=--release records a release
	@$(IN_VENV) contracts $(ARGS)

dashboards: $(VENV)/.dev ## write the dashboards of Grafana in observability/dashboards; make check compares
	@$(IN_VENV) observability

screenshots: $(VENV)/.dev ## the pictures of the page in docs/screenshots; needs chromium
	@$(IN_VENV) docs.screenshots $(ARGS)

docs: $(VENV)/.dev ## the documentation as a site in .site/html, with every link checked
	@$(IN_VENV) docs.site .site
	@$(IN_VENV) zensical build --strict --config-file .site/zensical.toml
	@echo "open .site/html/index.html"

images: ## all container images: REGISTRY=registry.example/airline TAG=1 PUSH=1 DOCKER=podman
	@set -e; for image in $(IMAGE_NAMES); do $(MAKE) --no-print-directory image FUNCTION="$$image" PUSH=; done; \
	if [ -n "$(PUSH)" ]; then for image in $(IMAGE_NAMES); do $(DOCKER) push "$(REGISTRY)/$$image:$(TAG)"; done; fi

image-names: ## what they are called: a folder of functions each, and two more
	@echo $(IMAGE_NAMES)

image: ## one of them: FUNCTION=reserve (or migrations, gateway)
	@$(DOCKER) build $(BUILD_ARGS) --tag "$(REGISTRY)/$(FUNCTION):$(TAG)" $(IMAGE_SOURCE)
	@if [ -n "$(PUSH)" ]; then $(DOCKER) push "$(REGISTRY)/$(FUNCTION):$(TAG)"; fi

image-tree: $(VENV)/.laptop ## the files of an image without Docker: FUNCTION=reserve (or migrations, gateway) DIR=new-folder
	@mkdir -- "$(DIR)"
ifeq ($(FUNCTION),gateway)
	@$(IN_VENV) images.layout gateway "$(VENV)/bin/caddy" "$(DIR)"
else
	@$(IN_VENV) images.layout dependencies "$(FUNCTION)" "$(DIR)"
	@$(IN_VENV) images.layout code "$(FUNCTION)" "$(DIR)"
endif

image-config: ## how that image starts, as an OCI image config in JSON: FUNCTION=reserve (or migrations, gateway)
	@$(PYTHON) -m images.config "$(FUNCTION)"

pin-images: ## write the digests that the tags of base images have today into Dockerfiles and manifests
	@images/pin

sbom: $(VENV)/.dev ## bills of materials (CycloneDX) of all images and of `make run`, in .sbom/; NAMES="reserve laptop" for some
	@$(IN_VENV) sbom .sbom "$(TAG)" $(or $(NAMES),$(IMAGE_NAMES) laptop)

# dev.txt holds all other lists to its versions, so it names every package of them
audit: $(VENV)/.dev ## look the locked versions up among known vulnerabilities; needs the network
	@$(IN_VENV) pip_audit --require-hashes --disable-pip --progress-spinner=off --requirement requirements/dev.txt $(ARGS)
	@cd gateway/vendor && npm audit

sign: ## after its push, sign an image and attest its bill of materials, with cosign: FUNCTION=reserve REGISTRY=... TAG=...
	@DOCKER="$(DOCKER)" REGISTRY="$(REGISTRY)" TAG="$(TAG)" images/signatures make "$(FUNCTION)"

check-signatures: ## before they are deployed, that all images are signed by whom they should be: SIGNED_BY=... ISSUER=...
	@REGISTRY="$(REGISTRY)" TAG="$(TAG)" images/signatures check $(IMAGE_NAMES)

# its own defaults: another overlay, and a tag by what the images are made of
kind: ## a cluster on this machine with all of it, by Docker and kind, and a whole saga; ARGS=--dry-run, ARGS=--delete
	@DOCKER="$(DOCKER)" OVERLAY="$(if $(filter file,$(origin OVERLAY)),,$(OVERLAY))" TAG="$(if $(filter file,$(origin TAG)),,$(TAG))" knative/kind $(ARGS)

# from here on kubectl is needed; NAMESPACE, REGISTRY, TAG, DIGESTS, IMAGES, KAFKA and PUBLIC are explained in knative/render
manifests: ## what a cluster gets by OVERLAY (kafka, kafka-small, in-memory, azure or a path), as one YAML stream
	@knative/render $(OVERLAY)

deploy: ## install OVERLAY on the cluster of KUBECONFIG, or upgrade what is there, step by step until all is Ready
	@knative/deploy $(OVERLAY)

undeploy: ## take OVERLAY off the cluster again; DATA=delete with the namespace and the database
	@knative/undeploy $(OVERLAY)

smoke: $(VENV)/.laptop ## one whole saga on a running system; `knative/reach make smoke` for one on a cluster
	@$(IN_VENV) cli smoke $(ARGS)

remember: ## on a cluster, after a smoke test that passed: the revisions that run now are good
	@$(PYTHON) knative/rollback.py remember --namespace "$(or $(NAMESPACE),airline)"

rollback: ## on a cluster: all Services together back to the revisions that were good
	@$(PYTHON) knative/rollback.py back --namespace "$(or $(NAMESPACE),airline)"

# a namespace of its own, which is removed afterwards; tests/cluster/README.md has the settings
test-cluster: $(VENV)/.dev ## install OVERLAY on the cluster of KUBECONFIG and test it there; ARGS="-k rollout" for a part
	@OVERLAY=$(OVERLAY) $(IN_VENV) pytest tests/cluster -v -rs --durations=0 --durations-min=1 $(ARGS)

demo-scale-to-zero: $(VENV)/.laptop ## a burst against sleeping functions: here, or where KUBECONFIG says; ARGS=--help
	@$(IN_VENV) demos scale-to-zero $(ARGS)

demo-hpa: $(VENV)/.laptop ## more instances under load, and fewer again, on the cluster of KUBECONFIG
	@$(IN_VENV) demos hpa $(ARGS)

demo-rollout: $(VENV)/.laptop ## new revisions of everything while customers come, on the cluster of KUBECONFIG
	@$(IN_VENV) demos rollout $(ARGS)

clean: ## end what a killed run left, and forget all data of `make run`; the environment stays
	@python=$(VENV)/bin/python; "$$python" -c '' 2>/dev/null || python="$(PYTHON)"; "$$python" -m laptop.clean $(if $(SYSTEM),"$(SYSTEM)/.data",.airline)

# Stamps: what is installed is installed again only after its list has changed, or after the environment was made again.

define new-environment
$(PYTHON) -m venv --clear $(VENV) || { \
  echo "This Python cannot make environments (see above); on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
endef

# An environment whose making was broken off has no pip; it is made again.
define install
@$(IN_VENV) pip --version >$(VENV)/pip.log 2>&1 || { echo "The environment $(VENV) is not whole; making it again ..."; $(new-environment); }
@set -o pipefail; $(IN_VENV) pip install --quiet --disable-pip-version-check --require-hashes -r $< 2>&1 | tee $(VENV)/pip.log >&2 || { \
  if grep -qE 'connection broken|from versions: none|ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|NameResolution' $(VENV)/pip.log; then \
    echo "There is no network, or none that reaches the package index (a proxy goes into HTTPS_PROXY)." >&2; \
  else echo "pip could not install $< (see above)." >&2; fi; \
  echo "When that is mended: make $(MAKECMDGOALS) again. What is installed already is kept." >&2; exit 1; }
@touch $@
endef

$(VENV)/bin/python:
	@case "$$PWD" in *:*) echo "Python makes no environment in a folder with a colon in its path: move the project." >&2; exit 1;; esac
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, $(PYTHON) is older or missing." \
	    "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Making the environment $(VENV) with $$($(PYTHON) --version) ..."
	@$(new-environment)

$(VENV)/.laptop: requirements/laptop.txt $(VENV)/bin/python
	@echo "Installing $$(grep -c == $<) packages into $(VENV), once; this takes about half a minute ..."
	$(install)

$(VENV)/.dev: requirements/dev.txt $(VENV)/bin/python | $(VENV)/.laptop
	@echo "Installing $$(grep -c == $<) packages for tests and checks, once ..."
	$(install)
