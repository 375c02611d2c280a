#!/bin/sh
# Fetches libtorch from PyPI, once, and prints where it is: what LIBTORCH is to be.
# With an NVIDIA card it is the whole CUDA build (several GB), else what the processor needs (1.3 GB).
set -eu

version=2.11.0 # the one that tch in Cargo.toml is made for
here=$(cd "$(dirname "$0")" && pwd)

if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
    name=torch-$version-cuda
    set -- "torch==$version"
else
    name=torch-$version
    # The wheel refers to two of CUDA's libraries even where there is no card.
    set -- --no-deps "torch==$version" nvidia-cuda-runtime nvidia-cuda-cupti
fi

"$here/packages.sh" train >&2
if ! folder=$("$here/pypi.sh" "$name" torch/lib/libtorch_cpu.so "$@"); then
    echo "libtorch could not be fetched, for the reason above. It is needed for nca-train only." >&2
    exit 1
fi
echo "$folder/torch"
