#!/bin/sh
# Fetches packages from PyPI into a folder of the cache, once, and prints where that is. pip's options
# may stand among the packages.
# Usage: tools/pypi.sh NAME FILE PACKAGE...    FILE: one that is there when all is
set -eu

here=$(cd "$(dirname "$0")" && pwd)
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
    python=$("$here/pip.sh" "$work/venv")
    "$python" -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
        --only-binary :all: --target "$work/packages" "$@" >&2
    rm -rf "$folder"
    mv "$work/packages" "$folder"
fi
echo "$folder"
