# A thin face: every target is one command that you can also type (see README.md).
PYTHON ?= python3
PROFILE ?= laptop
VENV := .venv
BIN := $(VENV)/bin
TARGETS := help book pdf lab talk test lint unit notebooks chapters site browser lowest clean
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: $(TARGETS)

# make -f path/to/Makefile: the same in that folder, whatever it is called
HERE := $(shell dirname "$$(echo "$(MAKEFILE_LIST)" | sed 's/^ *//')")
ifneq ($(shell test "$(HERE)" -ef . || echo elsewhere),)
$(TARGETS):
	@$(MAKE) --no-print-directory -C "$(HERE)" $@
else

help: ## what you can ask for
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 12

book: $(VENV)/.stamp ## run every chapter (PROFILE=laptop) and build the book; says where to open it
	$(BIN)/python tools/run_chapters.py --profile $(PROFILE) && $(BIN)/python tools/build_book.py --profile $(PROFILE)

pdf: $(VENV)/.stamp ## one PDF of the built book (after make book), printed by an installed Chromium or Chrome
	$(BIN)/python tools/make_pdf.py --profile $(PROFILE)

lab: $(VENV)/.stamp ## open the chapters live in JupyterLab
	$(BIN)/python tools/lab.py

talk: $(VENV)/.stamp ## rehearse the talk without a network, time every cell, write the slides to _build/talk
	$(BIN)/python tools/talk.py --profile $(PROFILE)

test: lint unit notebooks chapters site browser ## everything that is checked, in this order

lint: $(VENV)/.stamp ## style of the code; chapters stored without outputs
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && find book -name '*.ipynb' -not -path '*/.*' -exec $(BIN)/nbstripout --keep-id --verify {} +

unit: $(VENV)/.stamp ## the package and the tools
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --ignore=tests/pages

notebooks: $(VENV)/.stamp ## every chapter runs by itself (smoke profile), two at a time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --nbmake -n 2 book/

chapters: $(VENV)/.stamp ## every chapter end to end, with what it must have measured (smoke profile)
	$(BIN)/python -m pytest -q tests/pages/test_chapters.py tests/pages/test_twice.py

site: chapters ## the book from those runs, warnings as errors
	$(BIN)/python tools/build_book.py --profile smoke

browser: site ## the built book, JupyterLab and the talk in a browser: nothing off-host, no error, light, for every reader
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --ignore=tests/pages/test_chapters.py --ignore=tests/pages/test_twice.py tests/pages

lowest: ## the package in environments of its own: at the lowest versions allowed, alone and with each extra
	$(PYTHON) tools/lowest.py $(if $(TORCH),--torch $(TORCH))

clean: ## remove what was built (the installation in .venv stays)
	rm -rf _build .pytest_cache .ruff_cache

# The installation: made again only when a requirement changes, and only complete when the stamp is there.
$(VENV)/.stamp: requirements.txt tools/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python 3.11 or newer is needed, {sys.executable} is {v.major}.{v.minor}; name another one: make PYTHON=/path/to/python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@# where Python may not write bytecode, every kernel would compile every import again: 1 s for torch alone
	@if [ -n "$$PYTHONDONTWRITEBYTECODE" ]; then $(BIN)/python -m compileall -q $(VENV)/lib >/dev/null || true; fi
	@touch $@

endif
