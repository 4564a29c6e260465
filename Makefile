# Paperboy. `make` alone lists what there is; the two commands to know are `make demo` and `make test`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The first of these that is Python 3.11, 3.12 or 3.13; choose another with `make PYTHON=…`.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo "$$python" && break; done)
VENV := .venv
PY := $(VENV)/bin/python
JOBS ?= 2
ENGINE ?= docker

HOST ?= 127.0.0.1
PORT ?= 8000
DEV := DEBUG=1 SITE_URL=http://localhost:$(PORT)

.PHONY: help venv demo test test-both test-system test-deep coverage mutants lint format run lock drawing sbom licences audit bench bench-papers gallery chaos image image-tree upgrade-drill clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.installed-dev ## Create .venv with everything for development

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "Paperboy needs Python 3.11, 3.12 or 3.13 (python3 here is another or missing). Install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.installed: requirements.txt | $(VENV)/.created
	$(PY) -m pip install -qq --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.txt
	@touch $@

$(VENV)/.installed-catcher: requirements-catcher.txt $(VENV)/.installed
	$(PY) -m pip install -qq --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-catcher.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(PY) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.installed-catcher ## Show the whole way of a paper into the inbox, then keep serving (ONESHOT=1: exit)
	@ONESHOT=$(ONESHOT) $(PY) -m newsletter.management.demo

SYSTEM_TESTS := browser or system
# What talks to servers waits for them: one more at once than there are processors, twice as many on PostgreSQL.
SUITE := -m "not ($(SYSTEM_TESTS))" -q
test: $(VENV)/.installed-dev ## Run the suite: each test on the database that it is about, or on both; PostgreSQL, Redis and Celery are started
	$(PY) -m pytest --db sqlite --part quick $(SUITE) -n $$(($(JOBS) + 1))
	$(PY) -m pytest --db postgres --part quick $(SUITE) -n $$((2 * $(JOBS)))

test-both: $(VENV)/.installed-dev ## Run what `make test` leaves out: the other tests on PostgreSQL too, more examples, the embedding model
	$(PY) -m pytest --db sqlite --part rest $(SUITE) -n $$(($(JOBS) + 1))
	$(PY) -m pytest --db postgres --part rest $(SUITE) -n $$((2 * $(JOBS)))

test-system: $(VENV)/.installed-dev ## Run what needs more than Python: Chromium, postfix, OpenDKIM, PgBouncer, nginx, Caddy, Prometheus and systemd-analyze (.ci/run installs them)
	$(PY) -m pytest --db sqlite -m "$(SYSTEM_TESTS)" -n $(JOBS) -q

# What is marked `more_examples`: a third of a few dozen in `make test`, all in `make test-both`, as many as this here.
test-deep: $(VENV)/.installed-dev ## Try two hundred made-up lives, digests and requests of each kind, on SQLite and PostgreSQL (an hour)
	for db in sqlite postgres; do PAPERBOY_EXAMPLES=$${PAPERBOY_EXAMPLES:-200} $(PY) -m pytest --db $$db -m "not ($(SYSTEM_TESTS))" \
		-n $(JOBS) -q $$(grep -lE 'more_examples|any_database' tests/test_*.py); done

# Processes that tests start are counted too (tool.coverage in pyproject.toml). Below the floor there the command fails.
coverage: $(VENV)/.installed-dev ## Run the SQLite half of the suite and fail when less than 94 % of the code was run
	rm -f var/coverage/.coverage*; mkdir -p var/coverage
	$(PY) -m coverage run -m pytest --db sqlite -m "not ($(SYSTEM_TESTS))" -n $(JOBS) -q
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report --skip-covered --sort cover

mutants: $(VENV)/.installed-dev ## Change the pure modules of answers, codes, schedule and choice: do their tests notice 85 of 100?
	$(PY) -m tests.mutants

lint: $(VENV)/.installed-dev ## Check style, types, import contracts, templates and migrations
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/djlint templates --lint --quiet
	DEBUG=1 $(VENV)/bin/mypy
	DEBUG=1 $(VENV)/bin/lint-imports
	DEBUG=1 $(PY) manage.py makemigrations --check --dry-run

format: $(VENV)/.installed-dev ## Put code and templates into the agreed shape
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# One terminal, and Ctrl-C ends all of them. Without REDIS_URL one `work` process does what worker and beat would do.
run: $(VENV)/.installed-catcher ## Site, pipeline and mail catcher for development, until Ctrl-C
	@export $(DEV); $(PY) manage.py migrate --verbosity 0; \
	trap 'kill $$(jobs -p) 2>/dev/null; wait' EXIT; trap 'exit 0' INT TERM; \
	$(PY) manage.py catch_mail & \
	$(PY) -m gunicorn newsletter.wsgi --bind $(HOST):$(PORT) --reload --threads 4 --no-control-socket & \
	if [ -n "$${REDIS_URL:-}" ]; then \
		$(PY) -m celery -A newsletter worker -l INFO -c 2 -Q confirm,digest,ingest,maintenance & \
		$(PY) -m celery -A newsletter beat -l INFO & \
	else \
		$(PY) manage.py work & \
	fi; \
	echo "The site: http://localhost:$(PORT)/   Caught mail: http://localhost:8025/"; \
	wait -n || true; echo "One of the processes ended; stopping the others."; exit 1

drawing: $(VENV)/.installed-dev ## Draw the rooms and their imports into docs/architecture.md
	$(PY) -m tests.drawing

sbom: $(VENV)/.installed-dev ## List what a real site installs as CycloneDX (var/sbom.json)
	@mkdir -p var
	$(VENV)/bin/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --output-reproducible -o var/sbom.json

# LGPL: psycopg, used unchanged as a library. MPL: certifi's list and tqdm's files, unchanged.
LICENCES := MIT;BSD;Apache;ISC;Python Software Foundation;PSF-2.0;Unlicense;Mozilla Public License;MPL-2.0;LGPL-3.0
licences: $(VENV)/.installed-dev ## Check that everything a site installs has a licence that a BSD-licensed program may use
	$(VENV)/bin/pip-licenses --from mixed --partial-match --allow-only "$(LICENCES)" \
		--packages $$(sed -nE 's/^([A-Za-z0-9._-]+)(\[[^]]*\])?==.*/\1/p' requirements.txt requirements-catcher.txt requirements-semantic.txt | sort -u)

audit: $(VENV)/.installed-dev ## Ask for known vulnerabilities in what the four requirements files install (needs the network)
	for file in requirements*.txt; do $(VENV)/bin/pip-audit --progress-spinner off --disable-pip --require-hashes -r $$file; done

lock: $(VENV)/.created ## Renew the four requirements files from pyproject.toml
	$(PY) -m pip install -qq --disable-pip-version-check uv
	$(VENV)/bin/uv pip compile pyproject.toml --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 -o requirements.txt
	$(VENV)/bin/uv pip compile pyproject.toml --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra catcher -c requirements.txt -o requirements-catcher.txt
	$(VENV)/bin/uv pip compile pyproject.toml --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra dev -c requirements.txt -o requirements-dev.txt
	$(VENV)/bin/uv pip compile pyproject.toml --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra semantic -c requirements.txt -c requirements-dev.txt -o requirements-semantic.txt

# By the commit and its date: the same sources give the same labels.
image: ## Build the image paperboy:VERSION with Docker or Podman (ENGINE=podman)
	version=$$(sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml); $(ENGINE) build --pull -t paperboy -t "paperboy:$$version" \
		--build-arg REVISION="$$(git rev-parse HEAD)" --build-arg CREATED="$$(git log -1 --format=%cI)" .

image-tree: $(VENV)/.installed-dev ## Follow the Dockerfile without an engine (root, bubblewrap) and run its processes, read-only, as nobody
	PYTHON_OF_IMAGE=$${PYTHON_OF_IMAGE:-$$(command -v python3.13)} $(PY) -m tests.image_tree

upgrade-drill: $(VENV)/.installed-dev ## Upgrade and roll back from the last two versions, old workers beside new ones (ten minutes)
	$(PY) -m tests.upgrade_drill

bench: $(VENV)/.installed-dev ## Measure planning and delivery against their peers (var/bench.json)
	$(PY) -m tests.bench

bench-papers: $(VENV)/.installed-dev ## Measure ranking, topics and search
	$(PY) -m tests.bench.papers

gallery: $(VENV)/.installed-dev ## Render digests of sample readers as pictures to look at
	DEBUG=1 $(PY) -m tests.e2e.gallery

chaos: $(VENV)/.installed-dev ## Break everything at random moments and count the mails (var/chaos.json)
	$(PY) -m tests.chaos

clean: ## Remove the virtual environment, caches and everything the program has written
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
