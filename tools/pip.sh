#!/bin/sh
# Prints a Python that has pip: the system's, or else one in an environment of its own in FOLDER.
# Usage: tools/pip.sh FOLDER
set -eu

if ! python3 -m pip --version >/dev/null 2>&1; then
    python3 -m venv "$1" >&2
    echo "$1/bin/python"
else
    echo python3
fi
