# Everything runs from .venv, which the first target that needs it makes: Python 3.11 or newer and make are enough.

BIN := .venv/bin
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
# What pyproject.toml lists outside the package's own dependencies: the build backend, and a dependency group.
EXTERNALS = $(BIN)/python -c 'import sys, tomllib; project = tomllib.load(open("pyproject.toml", "rb")); \
	print(*project["build-system"]["requires"], *project["dependency-groups"].get("".join(sys.argv[1:]), ()), sep="\n")'
# A package index that this shell happens to use must not end up in the lock files.
COMPILE = env -u PIP_FIND_LINKS CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --strip-extras \
	--allow-unsafe --generate-hashes --annotation-style=line \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

DEBIAN := /usr/lib/postgresql/15/bin

# The tests start thousands of processes: without what Python keeps, each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv demo test check audit site commands picture bench scaling growth pinned typed watched views strays capture chaos long model fuzz mutations poison chart lock image clean

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: .venv/dev.stamp  ## Make .venv with everything that development needs

demo: .venv/local.stamp  ## Start real servers, write changes to Postgres, carry them to Kafka, prove it
	$(BIN)/bridge demo

test: check  ## Check the code and run all tests on real servers (the one test command)
	$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

check: .venv/dev.stamp  ## Lint, formatting, types, and which module may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: .venv/dev.stamp  ## Known vulnerabilities, and licences, of what bridge installs with; STRICT=--strict: all must be known
	$(BIN)/python requirements/audit.py $(STRICT)

site: .venv/dev.stamp  ## Make the documents a site, in build/site; a link that leads nowhere fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

commands: .venv/dev.stamp  ## Make docs/commands.md of the code
	$(BIN)/python docs/site/commands.py

picture: .venv/dev.stamp  ## Record the demo anew, as docs/pictures/demo.svg (a minute, on a quiet machine)
	$(BIN)/python docs/site/terminal.py docs/pictures/demo.svg

bench: .venv/dev.stamp  ## Measure, against Debezium too, into docs/benchmarks/latest (forty minutes); ONLY="drain" for a part
	$(BIN)/bridge bench --dir build/bench --debezium --out docs/benchmarks/latest $(foreach part,$(ONLY),--only $(part))
	$(BIN)/python tests/bench/plot.py docs/benchmarks/latest
	$(BIN)/bridge local down --purge --dir build/bench

scaling: .venv/dev.stamp  ## Measure with 1 to 16 shards, and payloads of 200 bytes to 100 kB, into docs/benchmarks/scaling
	$(BIN)/bridge bench --dir build/bench --out docs/benchmarks/scaling --only shards --only bytes --events 200000
	$(BIN)/bridge local down --purge --dir build/bench

growth: .venv/dev.stamp  ## Measure after 20 million events, under an old snapshot, with 3,000 table partitions, into docs/benchmarks/growth
	$(BIN)/bridge bench --dir build/bench --out docs/benchmarks/growth --only snapshot --only growth --only leaves \
		--events 200000
	$(BIN)/bridge local down --purge --dir build/bench

typed: .venv/dev.stamp  ## Measure a tracked table's changes as generic and as typed records, into docs/benchmarks/typed
	$(BIN)/bridge bench --dir build/bench --out docs/benchmarks/typed --only typed --events 200000
	$(BIN)/bridge local down --purge --dir build/bench

pinned: .venv/dev.stamp  ## Measure table sizes at 2,000 events a second under an old snapshot for MINUTES=30, into docs/benchmarks/pinned
	$(BIN)/bridge local up --dir build/bench
	eval "$$($(BIN)/bridge local env --dir build/bench)" && PYTHONPATH=tests BRIDGE_TOPICS_REPLICATION_FACTOR=1 \
		$(BIN)/python tests/bench/pinned.py --minutes $(or $(MINUTES),30) docs/benchmarks/pinned
	$(BIN)/bridge local down --purge --dir build/bench

watched: .venv/dev.stamp  ## Measure what metrics, health and the page cost a relay, and how soon they answer, into docs/benchmarks/watched
	$(BIN)/bridge local up --dir build/bench
	eval "$$($(BIN)/bridge local env --dir build/bench)" && $(BIN)/python tests/bench/watched.py docs/benchmarks/watched
	$(BIN)/bridge local down --purge --dir build/bench

views: .venv/dev.stamp  ## Measure refreshes of views, and searches in them, with CONTACTS=1000000, into docs/benchmarks/views
	$(BIN)/bridge local up --dir build/bench --only postgres
	eval "$$($(BIN)/bridge local env --dir build/bench)" && PYTHONPATH=tests $(BIN)/python tests/bench/views.py \
		--contacts $(or $(CONTACTS),1000000) docs/benchmarks/views
	$(BIN)/bridge local down --purge --dir build/bench

strays: .venv/dev.stamp  ## Measure overdue partitions under writers, beside pg_partman on Debian's Postgres 15, into docs/benchmarks/strays
	BRIDGE_LOCAL_POSTGRES_BIN=$(DEBIAN) $(BIN)/bridge local up --dir build/strays --only postgres
	eval "$$($(BIN)/bridge local env --dir build/strays)" && $(BIN)/python tests/bench/strays.py docs/benchmarks/strays
	BRIDGE_LOCAL_POSTGRES_BIN=$(DEBIAN) $(BIN)/bridge local down --purge --dir build/strays

chaos: .venv/dev.stamp  ## Faults at random for MINUTES=30, from SEED, then decisions; the report is in build/chaos/<seed>
	BRIDGE_TEST_MINUTES=$(MINUTES) BRIDGE_TEST_SEED=$(SEED) $(BIN)/pytest -m chaos -s

long: .venv/dev.stamp  ## The cases that `make test` leaves out, because it has others of their kind (half an hour)
	$(BIN)/pytest -m long --numprocesses 2 --dist loadfile

model: .venv/dev.stamp  ## The protocol against disorder of all kinds, RUNS=10000 histories for each part
	BRIDGE_TEST_MODEL_RUNS=$(or $(RUNS),10000) $(BIN)/pytest tests/model --timeout 0 --numprocesses 2 --dist loadfile

capture: .venv/dev.stamp  ## Tracking against random tables and statements on Postgres 18 and 15, SCENES=2500 in each part, from SEED
	rm -rf build/capture
	BRIDGE_TEST_CAPTURE_SCENES=$(or $(SCENES),2500) BRIDGE_TEST_SEED=$(or $(SEED),0) \
		$(BIN)/pytest tests/capture/test_capture.py --timeout 0 --numprocesses 2
	$(BIN)/python -m tests.capture.matrix

fuzz: .venv/dev.stamp  ## Hostile rows, answers, rights and settings for MINUTES=30, from SEED; reports are in build/fuzz
	BRIDGE_TEST_MINUTES=$(MINUTES) BRIDGE_TEST_SEED=$(SEED) $(BIN)/pytest -m fuzz -s

mutations: .venv/dev.stamp  ## Remove each protection in turn, and show which test notices; ONLY="words" for some
	$(BIN)/python tests/mutations.py $(ONLY)

poison: .venv/dev.stamp  ## 100,000 events, 1,000 of them of every kind that cannot be published, at 80 % of the clean rate at least
	BRIDGE_TEST_POISON_EVENTS=100000 BRIDGE_TEST_POISON_ROUNDS=3 BRIDGE_TEST_POISON_SHARE=0.8 \
		$(BIN)/pytest tests/failure/test_poison.py --timeout 0 -s

chart:  ## Copy alert rules and dashboard into the chart, which can reach no file outside of it
	cp config/prometheus/alerts.yml deploy/helm/bridge/files/alerts.yml
	cp config/grafana/bridge.json deploy/helm/bridge/files/dashboard.json

lock: .venv/dev.stamp  ## Pin all dependencies anew: requirements/*.txt and bridge/local/artifacts.lock, and make the bill of materials
	$(EXTERNALS) dev | $(COMPILE) --extra=local --output-file=requirements/dev.txt pyproject.toml -
	$(EXTERNALS) | $(COMPILE) --constraint=requirements/dev.txt --extra=local \
		--output-file=requirements/local.txt pyproject.toml -
	$(EXTERNALS) | $(COMPILE) --constraint=requirements/dev.txt --extra=otel --extra=s3 \
		--output-file=requirements/image.txt pyproject.toml -
	$(BIN)/python -m bridge.local.relock
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python requirements/sbom.py

image:  ## Build the container image bridge:<version>, with docker, podman or buildah
	deploy/build

clean:  ## Remove .venv and all caches; local servers keep their data, but for those of a benchmark
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

.venv/made.stamp:
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "bridge needs Python 3.11 or newer: install it, or name it with make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/%.stamp: requirements/%.txt pyproject.toml .venv/made.stamp
	$(BIN)/python -m pip install --quiet --require-hashes -r $<
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
