#!/bin/sh
# Builds a folder that checks and measures the GPU engines on another machine, one that has an NVIDIA
# driver and PyTorch but neither Rust nor GStreamer. Copy it there and run check.py in it.
# Usage: tools/gpu-check.sh [FOLDER]
set -eu

cd "$(dirname "$0")/.."
out=${1:-target/gpu-check}
tools/rust.sh
tools/packages.sh build

# executable KIND NAME: builds a test or a benchmark and prints where it is.
executable() {
    kind=$1 name=$2
    command=$([ "$kind" = test ] && echo 'test --release' || echo bench)
    # shellcheck disable=SC2086
    cargo $command --locked -p nca "--$kind" "$name" --no-run --message-format=json |
        sed -n "s|.*\"executable\":\"\([^\"]*/$name-[^\"]*\)\".*|\1|p" | tail -n 1
}

rm -rf "$out"
mkdir -p "$out/nca/tests" "$out/shared"
for name in cuda engines; do
    [ -f "tests/$name.rs" ] || continue
    cp "$(executable test "$name")" "$out/test-$name"
done
cp "$(executable bench worker)" "$out/worker"
cp -R tests/golden "$out/nca/tests/"
cp -R models "$out/nca/"
if [ -d ../shared/published-models ]; then
    cp -R ../shared/published-models "$out/shared/"
fi
cp tools/gpu/check.py tools/gpu/gpu_peers.py tools/bench/peers.py "$out/"
echo "$out is ready ($(du -sh "$out" | cut -f1)): copy it to the machine with the card, and there: python3 check.py"
