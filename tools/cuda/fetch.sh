#!/bin/sh
# Fetches one of NVIDIA's tools from PyPI, once, and prints where it is.
# Usage: tools/cuda/fetch.sh nvrtc|ptxas
set -eu

case ${1:-} in
nvrtc)
    # The oldest of CUDA 12 that knows all that the kernels need: its PTX runs with drivers from 530 on.
    package=nvidia-cuda-nvrtc-cu12==12.1.105
    file=nvidia/cuda_nvrtc/lib/libnvrtc.so.12
    ;;
ptxas)
    # Of the versions that know all cards from 7.5 to 12.0, the last for CUDA 12.
    package=nvidia-cuda-nvcc-cu12==12.9.86
    file=nvidia/cuda_nvcc/bin/ptxas
    ;;
*)
    echo "Usage: tools/cuda/fetch.sh nvrtc|ptxas" >&2
    exit 2
    ;;
esac

if ! folder=$("$(dirname "$0")/../pypi.sh" "$package" "$file" --no-deps "$package"); then
    echo "$package could not be fetched, for the reason above. It is needed to make and check the kernels of the cuda engine." >&2
    exit 1
fi
echo "$folder/$file"
