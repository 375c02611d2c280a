#!/bin/sh
# Fetches packages from PyPI into a folder of the cache, once, and prints where that is. pip's options
# may stand among the packages.
# Usage: tools/pypi.sh NAME FILE PACKAGE...    FILE: one that is there when all is
set -eu

cache=${XDG_CACHE_HOME:-$HOME/.cache}/ncafilter
folder=$cache/$1
file=$2
shift 2

if ! [ -f "$folder/$file" ]; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    echo "Fetching from PyPI into $folder: $*" >&2
    if python3 -m pip --version >/dev/null 2>&1; then
        python=python3
    else
        python3 -m venv "$work/venv"
        python=$work/venv/bin/python
    fi
    "$python" -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
        --only-binary :all: --target "$work/packages" "$@" >&2
    rm -rf "$folder"
    mv "$work/packages" "$folder"
fi
echo "$folder"
