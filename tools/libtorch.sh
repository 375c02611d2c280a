#!/bin/sh
# Fetches libtorch from PyPI, once, and prints where it is: what LIBTORCH is to be.
# With an NVIDIA card it is the whole CUDA build (several GB), else what the processor needs (1.3 GB).
set -eu

version=2.11.0 # the one that tch in Cargo.toml is made for
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ncafilter

if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
    folder=$cache/torch-$version-cuda
    what="torch==$version"
    only=
else
    folder=$cache/torch-$version
    # The wheel refers to two of CUDA's libraries even where there is no card.
    what="torch==$version nvidia-cuda-runtime nvidia-cuda-cupti"
    only=--no-deps
fi

if ! [ -f "$folder/torch/lib/libtorch_cpu.so" ]; then
    "$here/packages.sh" train >&2
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    echo "Fetching libtorch $version from PyPI into $folder" >&2
    python=$("$here/pip.sh" "$work/venv")
    # The requirements are separate words on purpose, and an empty $only is none.
    # shellcheck disable=SC2086
    if ! "$python" -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
        --only-binary :all: --target "$work/torch" $only $what >&2; then
        echo "libtorch could not be fetched, for the reason above. It is needed for nca-train only." >&2
        exit 1
    fi
    rm -rf "$folder"
    mv "$work/torch" "$folder"
fi
echo "$folder/torch"
