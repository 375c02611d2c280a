#!/bin/sh
# Compiles the kernels of the cuda engine to PTX, which is committed with them.
# Usage: tools/cuda/build-ptx.sh [--check]    --check: only compares with what is there
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cuda=$here/../../src/engine/cuda
nvrtc=$("$here/fetch.sh" nvrtc)
if [ "${1:-}" = --check ]; then
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
    python3 "$here/build_ptx.py" "$nvrtc" "$cuda/kernels" "$out"
    diff -rq "$cuda/ptx" "$out" || {
        echo "The PTX is not what the kernels compile to: run tools/cuda/build-ptx.sh and commit what it writes." >&2
        exit 1
    }
else
    python3 "$here/build_ptx.py" "$nvrtc" "$cuda/kernels" "$cuda/ptx"
fi
