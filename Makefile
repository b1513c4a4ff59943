# Everything that a developer, CI or a curious person runs. Needs Python 3.11 or newer, and make.
# The first use sets up .venv from the pinned and hashed requirements/*.txt; later ones start at once.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell for it in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$it -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$it && break; done)
PY := .venv/bin/python
PIP = $(PY) -m pip install --quiet --disable-pip-version-check --no-input
READY := .venv/ready
REACT := react-client/node_modules/.package-lock.json
CODE := imcaxy tests services docker requirements invalidator .ci $(if $(wildcard benchmarks/*.py),benchmarks)

# pyvips is published as source. Where a distribution's libvips headers are installed it would compile
# itself against that library and leave the one of pyvips-binary unused: with these two pkg-config finds
# none, and without pip's cache it takes no build of another day. `imcaxy check` prints the libvips version
# that is really in use.
NO_SYSTEM_LIBVIPS := PKG_CONFIG_PATH= PKG_CONFIG_LIBDIR=/nonexistent PIP_NO_CACHE_DIR=1

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-26s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(READY) ## serve the gallery of samples/ on http://127.0.0.1:8080/ (IMCAXY_PORT for another port)
	@IMCAXY_SOURCE_DIR="$${IMCAXY_SOURCE_DIR:-samples}" exec $(PY) -m imcaxy serve

.PHONY: install
install: PREFIX ?= /opt/imcaxy
install: PY = $(PREFIX)/bin/python
install: ## install the server alone, for a machine that serves (PREFIX=/opt/imcaxy; docs/production.md)
	@umask 022; $(PYTHON) -m venv $(PREFIX) || { echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@umask 022; $(PIP) --require-hashes --only-binary :all: -r requirements/build.txt
	@umask 022; $(NO_SYSTEM_LIBVIPS) $(PIP) --require-hashes --no-build-isolation \
		--only-binary :all: --no-binary pyvips -r requirements/run.txt
	@umask 022; $(PIP) --no-deps --no-build-isolation --force-reinstall .
	@$(PREFIX)/bin/imcaxy --version

.PHONY: test
test: $(READY) ## run the tests that take seconds (ARGS="-k name" for some)
	@$(PY) -m pytest -q -m "not slow and not integration" $(ARGS)

.PHONY: test-all
test-all: $(READY) ## run every test
	@$(PY) -m pytest -q --durations=10 $(ARGS)

.PHONY: cover
cover: $(READY) ## run the quick tests and say which lines and branches none of them reached
	@$(PY) -m pytest -q -m "not slow and not integration" --cov --cov-report=term $(ARGS)

.PHONY: check
check: $(READY) ## lint, formatting and types; writes nothing
	@$(PY) -m ruff check --no-cache $(CODE)
	@$(PY) -m ruff format --no-cache --check $(CODE)
	@$(PY) -m mypy $(CODE)

.PHONY: fix
fix: $(READY) ## format, and correct what the linter can correct
	@$(PY) -m ruff check --fix $(CODE)
	@$(PY) -m ruff format $(CODE)

.PHONY: bench
bench: $(READY) ## measure start, memory and speed
	@for it in $(filter-out benchmarks/rivals.py benchmarks/pictures.py,$(sort $(wildcard benchmarks/[a-z]*.py))); do echo "== $$it"; $(PY) $$it || exit 1; done

.PHONY: rivals
rivals: $(READY) ## compare the speed of kept pictures with nginx and Varnish (installs them and wrk; ARGS="--rounds 9")
	@$(PY) benchmarks/rivals.py $(ARGS)

.PHONY: pictures
pictures: $(READY) ## measure what a picture costs beside Imaginary, imagor and libvips alone (needs `make services` for the first two)
	@$(PY) benchmarks/pictures.py $(ARGS)

.PHONY: mixed
mixed: $(READY) ## ask for small pictures beside AVIF, bombs and 24 megapixels in 512 MiB (MINUTES=10; needs root for a cgroup)
	@$(PY) -m tests.faults.mixed --minutes $(or $(MINUTES),10)

.PHONY: parity
parity: $(READY) ## ask a real Imaginary and ours the same (REQUESTS=2000); needs `make services SERVICES=imaginary`
	@$(PY) -m tests.parity --requests $(or $(REQUESTS),2000)

.PHONY: react-check
react-check: $(REACT) ## react-client: types, build, sizes, packaging (needs Node 20.19 or newer)
	@cd react-client && npm run --silent check

.PHONY: react-example
react-example: $(REACT) ## react-client: a gallery on http://localhost:5173/, beside `make run`
	@cd react-client && npm run --silent example

.PHONY: react-test
react-test: $(REACT) ## react-client: the tests that need no browser
	@cd react-client && npm test --silent -- --project unit --project react19 --project react18

.PHONY: react-test-all
react-test-all: $(REACT) $(READY) ## react-client: every test, in Chromium, against a real server, and a build with Next
	@cd react-client && npm test --silent && npm run --silent build
	@# not `npm ci`: the lock file has no native parts of Next for systems on which it was not made
	@cd react-client/fixtures/next && npm install --silent --no-save && npm test --silent

.PHONY: kill
kill: $(READY) ## kill -9 the server under load, again and again (ROUNDS=1000), and look at what is left
	@$(PY) -m tests.faults.kill --rounds $(or $(ROUNDS),1000)

.PHONY: torture
torture: $(READY) ## invalidate under every fault that we know (ROUNDS=2000), and look for old pictures
	@$(PY) -m tests.faults.torture --rounds $(or $(ROUNDS),2000) $(if $(MUTANT),--mutant $(MUTANT)) $(if $(STACK),--on $(STACK))

SUITES := once streams endings http_rules http_errors cache_rules invalidation ageing workers
.PHONY: fleet-suites
fleet-suites: $(READY) ## the end-to-end suites and the torture, 3 instances on real servers (STACK=ferretdb+minio ROUNDS=150)
	@$(PYTHON) -m services start
	@for it in $(or $(STACK),secantus+minio secantus+versitygw ferretdb+minio); do \
		echo "== $$it"; \
		STACK=$$it PEERS=$(or $(PEERS),2) $(PY) -m pytest -q -m "not slow" $(SUITES:%=tests/e2e/test_%.py) $(ARGS) && \
		$(PY) -m tests.faults.torture --rounds $(or $(ROUNDS),150) --on $$it || exit 1; done

.PHONY: memory
memory: $(READY) ## watch the memory of all processes over many pictures (PICTURES=2000)
	@$(PY) -m tests.faults.memory --pictures $(or $(PICTURES),2000)

.PHONY: services
services: ## build (5 minutes, once) and start real servers to test against (SERVICES="minio" for some)
	@$(PYTHON) -m services start $(SERVICES)

.PHONY: restart-services stop-services services-status services-logs
restart-services: ## restart those that run (SERVICES="minio" for one)
	@$(PYTHON) -m services restart $(SERVICES)

stop-services: ## stop them; what they keep stays
	@$(PYTHON) -m services stop $(SERVICES)

services-status: ## say which of them answer, where
	@$(PYTHON) -m services status $(SERVICES)

services-logs: ## print what they wrote
	@$(PYTHON) -m services logs $(SERVICES)

.PHONY: integration-tests build-integration-tests cleanup-integration-tests
integration-tests: $(READY) ## test with real servers: containers where an engine runs, else `make services` (ARGS="-k name")
	@PYTHON=$(PY) docker/integration-tests.sh run $(ARGS)

build-integration-tests: $(READY) ## build what integration-tests runs
	@PYTHON=$(PY) docker/integration-tests.sh build

cleanup-integration-tests: $(READY) ## stop it and remove what it kept
	@PYTHON=$(PY) docker/integration-tests.sh cleanup

.PHONY: build build-dev dev stop-dev cleanup-dev
DEV := docker compose --file docker/compose.dev.yaml

build: ## build the production image (IMAGE=name:tag)
	docker build --file docker/Dockerfile --tag $(or $(IMAGE),imcaxy) .

build-dev: ## build the image of the development stack
	$(DEV) build

dev: ## serve with Imaginary, MinIO and MongoDB in containers on http://127.0.0.1:8080/
	$(DEV) up --build --wait
	@echo "http://127.0.0.1:8080/ is ready; make stop-dev ends it, make cleanup-dev forgets what it kept"

stop-dev: ## stop that; what it keeps stays
	$(DEV) stop

cleanup-dev: ## stop it and remove what it kept
	$(DEV) down --volumes --remove-orphans

.PHONY: load
load: $(READY) ## hold a server under mixed load and watch its memory and disk (DURATION=180)
	@$(PY) -m tests.faults.long_load --seconds $(or $(DURATION),180)

.PHONY: lock
lock: ## pin the newest allowed versions, with hashes, into requirements/*.txt
	@$(PYTHON) requirements/lock.py

.PHONY: clean
clean: ## remove .venv, caches and build output; data/ stays
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage build dist *.egg-info react-client/dist react-client/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(REACT): react-client/package.json react-client/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed, of Node 20.19 or newer"; exit 1; }
	@cd react-client && npm ci --silent
	@touch $@

$(READY): pyproject.toml requirements/build.txt requirements/dev.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it: make PYTHON=/path/to/it"; exit 1; }
	@echo "Setting up .venv with $(PYTHON): once, about half a minute ..."
	@$(PYTHON) -m venv --clear .venv || { echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(PIP) --require-hashes --only-binary :all: -r requirements/build.txt
	@$(NO_SYSTEM_LIBVIPS) $(PIP) --require-hashes --no-build-isolation \
		--only-binary :all: --no-binary pyvips -r requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
