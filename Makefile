# Each target makes its own environment in .venv when it must; afterwards nothing is installed and no network needed.
# ARGS go to the program:   make demo ARGS="--port 9000"      make test ARGS="-k refresh"

BIN := .venv/bin
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard idp/translations/*/LC_MESSAGES/*.po))
PACKAGING := pyproject.toml tools/environment.sh tools/build_hook.py

# Images of containers set it: then each of the hundreds of processes that tests start compiles all modules.
unexport PYTHONDONTWRITEBYTECODE

.NOTPARALLEL:
.PHONY: demo test check lint format types imports bench faults races walk axe handbook lock clean

demo: .venv/.runtime $(CATALOGUES)
	@exec $(BIN)/idp demo $(ARGS)

# Tests with PostgreSQL, Redis, Chromium, Node.js, nginx, Caddy or systemd run where the programs are found, and say so where not.
test: .venv/.dev .venv/.foreign $(CATALOGUES)
ifdef COVERAGE
	@rm -f .coverage .coverage.*
	$(BIN)/pytest -n auto --dist worksteal --cov --cov-report= $(ARGS)
	$(BIN)/coverage json --quiet -o .coverage.json
	$(BIN)/python tools/coverage_gate.py .coverage.json
else
	$(BIN)/pytest -n auto --dist worksteal $(ARGS)
endif

check: lint types imports
	$(MAKE) test COVERAGE=1

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint --quiet --lint templates clients
	$(BIN)/codespell

format: .venv/.dev
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

types: .venv/.dev
	$(BIN)/mypy

imports: .venv/.dev
	$(BIN)/lint-imports

# Product and peer side by side; see benchmarks/README.md.
bench: .venv/.dev $(CATALOGUES)
	$(BIN)/python -m benchmarks $(ARGS)

# Breaks a running server in several ways under load and counts what held: ARGS="F2 --seconds 20".
faults: .venv/.dev $(CATALOGUES)
	$(BIN)/python -m tests.faults $(ARGS)

# Five hundred rounds of each race for what works once; a normal run has three.
races: .venv/.dev $(CATALOGUES)
	LOTSE_TEST_RACES=500 LOTSE_TEST_REQUIRE=postgresql $(BIN)/pytest -q -n 0 tests/attacks/test_c16_races.py $(ARGS)

# Owner and attackers walk over the pages of accounts, for an hour and with faults put in; a normal run walks a little.
walk: .venv/.dev $(CATALOGUES)
	LOTSE_WALK_SECONDS=$(or $(SECONDS),3600) $(BIN)/pytest -q -n 0 tests/walker $(ARGS)

# Every page in every combination of theme, language and width; a normal run rotates them.
axe: .venv/.dev $(CATALOGUES)
	LOTSE_TEST_AXE=all LOTSE_TEST_REQUIRE=browser $(BIN)/pytest -n auto -m axe $(ARGS)

# Takes the pictures of the German handbook, docs/handbuch, from the pages as they are.
handbook: .venv/.dev $(CATALOGUES)
	LOTSE_HANDBOOK=take LOTSE_TEST_REQUIRE=browser $(BIN)/pytest tests/browser/test_handbook.py $(ARGS)

# Locks anew what pyproject.toml admits; ARGS=--upgrade takes the newest versions.
lock: .venv/.dev
	$(BIN)/python tools/lock.py $(ARGS)

clean:
	rm -rf .venv tests/foreign/node_modules build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache $(CATALOGUES)

.venv/.runtime: requirements.txt requirements-build.txt $(PACKAGING)
	@tools/environment.sh requirements.txt requirements-build.txt
	@touch $@

.venv/.dev: requirements-dev.txt $(PACKAGING)
	@tools/environment.sh requirements-dev.txt
	@touch .venv/.runtime $@

# The relying party's library that tests/foreign drives; without npm, or without a network, its tests are left out.
.venv/.foreign: tests/foreign/package-lock.json
	@if command -v npm >/dev/null && npm ci --silent --no-fund --no-audit --prefix tests/foreign; then touch $@; \
	else echo "lotse: openid-client cannot be installed (npm); its tests are left out" >&2; fi

%.mo: %.po tools/build_hook.py
	@test -x $(BIN)/python && $(BIN)/python tools/build_hook.py
	@touch $@
