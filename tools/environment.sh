#!/bin/sh
# Makes .venv and installs the locked requirements named on the command line, then the project itself.
# Usage: tools/environment.sh REQUIREMENTS...    (called by the Makefile when one of them changed)
set -eu
cd "$(dirname "$0")/.."

say() { printf 'lotse: %s\n' "$*" >&2; }

# The system's interpreter goes first: its builders optimise it, which version managers do not unless they are told,
# and a request then takes a sixth to a third more. The newest name first would pick what people have by accident.
find_python() {
    without_venv=
    for name in ${PYTHON:-/usr/bin/python3 python3 python3.13 python3.12 python3.11}; do
        "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if "$name" -c 'import ensurepip, venv' 2>/dev/null; then
            printf '%s\n' "$name"
            return
        fi
        without_venv=$name
    done
    if [ -n "$without_venv" ]; then
        say "$without_venv cannot make a virtual environment. Remedy: apt install python3-venv"
    else
        say "Python 3.11 or newer is needed. Remedy: apt install python3 python3-venv (macOS: brew install python)"
    fi
    exit 1
}

# An environment whose interpreter is gone (an upgraded system, a copied folder) is made anew.
if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    python=$(find_python)
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi

arguments=
for file in "$@"; do
    arguments="$arguments --requirement $file"
done
say "installing locked packages (once, and when they change)"
# shellcheck disable=SC2086  # the names of our own files hold no spaces
.venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check --require-hashes $arguments
.venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check --no-deps --no-build-isolation --editable .
