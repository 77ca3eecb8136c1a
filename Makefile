# `make help` lists the targets; each does all the set-up it needs.
#   PYTHON=python3.12       the Python that .venv is made from
#   MICROPYTHON=path        a MicroPython 1.25 unix binary, instead of building one
#   MICROPYTHON_DIR=path    a MicroPython 1.25 source tree to build from
PYTHON ?= python3
BOARD ?= rp2040_han

BIN := .venv/bin
# a process for each core
PYTEST := $(BIN)/pytest -n auto --dist worksteal --durations=30 --durations-min=10
VENV := .venv/.installed
UNITTEST := .toolchain/lib/unittest.py
TOOLCHAIN := boards/toolchain

.DEFAULT_GOAL := help
.PHONY: help setup setup-witnesses setup-rp2 firmware demo demo-firmware test test-rp2040 test-long test-wycheproof bench faults soak \
	test-fast test-device lint format clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' Makefile

setup: $(VENV) $(UNITTEST) ## Make .venv and bring MicroPython
	@$(BIN)/python $(TOOLCHAIN) unix
	@$(BIN)/python $(TOOLCHAIN) esp32-image

# programs that give tests a second opinion, and what runs them
WITNESSES := .toolchain/witnesses
# Debian packages: a test that needs one is skipped without it, and fails in CI. npm may be there as
# a part of another package, which Debian's excludes.
WITNESS_PACKAGES = chromium postgresql $(if $(shell command -v npm 2>/dev/null),,npm)
setup-witnesses: $(VENV) ## Bring the programs that tests compare with (Debian packages, npm)
	@dpkg -s $(WITNESS_PACKAGES) >/dev/null 2>&1 || { \
		apt-get update -qq && apt-get install -qq -y $(WITNESS_PACKAGES) >/dev/null; }
	@mkdir -p $(WITNESSES)
	@cmp -s tests/support/witnesses/package-lock.json $(WITNESSES)/installed-lock.json || { \
		cp tests/support/witnesses/package*.json $(WITNESSES)/ && \
		npm ci --prefix $(WITNESSES) --ignore-scripts --no-audit --no-fund --silent && \
		cp $(WITNESSES)/package-lock.json $(WITNESSES)/installed-lock.json; }

setup-rp2: $(VENV) ## Bring what building RP2040 firmware needs
	@$(BIN)/python $(TOOLCHAIN) rp2-setup

$(VENV): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"hanboot needs Python 3.11 or newer; set PYTHON=python3.x")'
	@$(PYTHON) $(TOOLCHAIN) venv
	@test -x $(BIN)/pip || { echo "making .venv"; $(PYTHON) -m venv .venv; }
	@echo "installing Python packages into .venv"
	@$(PYTHON) $(TOOLCHAIN) packages
	@touch $@

# MicroPython's unittest, which must not shadow CPython's in .venv
$(UNITTEST): $(VENV)
	@$(BIN)/pip install -qq --no-deps --upgrade --target $(@D) micropython-unittest==0.2
	@touch $@

# boards that have firmware of their own, and what the demo can be played on
BUILT := $(patsubst boards/%/build.py,%,$(wildcard boards/*/build.py))
PLAYED := virtual esp32 esp32_han rp2040
ifneq ($(filter firmware,$(MAKECMDGOALS)),)
ifeq ($(filter $(BOARD),$(BUILT)),)
$(error no firmware for BOARD=$(BOARD): it must be one of $(BUILT))
endif
endif
ifneq ($(filter demo,$(MAKECMDGOALS)),)
ifneq ($(origin BOARD),file)
ifeq ($(filter $(BOARD),$(PLAYED)),)
$(error no demo on BOARD=$(BOARD): it must be one of $(PLAYED))
endif
endif
endif

firmware: $(if $(filter esp32%,$(BOARD)),setup,setup-rp2) ## Build BOARD=rp2040_han [ROLE=ihd] [VARIANT=development] [BOARD_DIR=path of your own]; esp32_han: with ESP-IDF
	@$(BIN)/python "boards/$(BOARD)/build.py" $(if $(BOARD_DIR),--board-dir "$(BOARD_DIR)") $(if $(ROLE),--role $(ROLE)) $(if $(VARIANT),--variant $(VARIANT))

# a BOARD of this Makefile's own is not for the demo
DEMO_BOARD = $(if $(filter file,$(origin BOARD)),,$(BOARD))

demo: setup $(if $(filter rp2040,$(DEMO_BOARD)),demo-firmware) ## Watch a PPMID refuse the wrong upgrade [BOARD=esp32|rp2040] [ACT=household|neighbour|inherited|home|chain|all]
	@$(BIN)/python -m hanboot.demo $(if $(ACT),$(or $(DEMO_BOARD),virtual) $(ACT),$(DEMO_BOARD))

demo-firmware: setup-rp2
	@$(BIN)/python boards/rp2040_han/build.py

test: lint setup-rp2 ## Lint, then every test, those on an emulated RP2040 too
	@$(PYTEST) -m 'not long'

test-rp2040: setup-rp2 ## Tests of the firmware on an emulated RP2040 alone
	@$(PYTEST) -m 'not long' tests/rp2040

test-long: setup-rp2 ## What takes long on an emulated RP2040: all Wycheproof vectors, stock MicroPython, 230 predecessors, short lives, a board of your own, a repeated build
	@$(PYTEST) -m long tests/rp2040

test-wycheproof: test-long

bench: setup-rp2 ## Measure against the budgets [PART="chip arithmetic"]; build/bench.json
	@$(BIN)/python tests/bench $(PART)

faults: setup firmware ## Fault campaign: power cuts, torn writes, wrong reads, mutants, fuzzing; 30 minutes [SEED=n] [WHOLE=1: two hours]
	@$(BIN)/python tests/faults $(if $(SEED),--seed $(SEED)) $(if $(WHOLE),--whole)

soak: setup ## Random upgrades and faults [SEED=n] [MINUTES=10]
	@$(BIN)/python tests/faults soak $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

test-fast: setup ## Tests without the slow ones and the foreign SMP clients
	@$(PYTEST) --ignore tests/rp2040 -m 'not slow and not clients'

test-device: setup ## Device tests, on CPython and on MicroPython
	@$(PYTEST) tests/device

lint: setup ## ruff, mypy, and who may import whom
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: setup ## Let ruff format and fix
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

clean: ## Remove outputs, .venv and .toolchain
	rm -rf build hanboot.egg-info .venv .toolchain .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
