#!/bin/sh
# Measures the CPU engine against PyTorch and onnxruntime on this machine and writes the tables into
# docs/performance.md.
set -eu

cd "$(dirname "$0")/../.."
tools/rust.sh
tools/packages.sh build play clip
clip=${CLIP:-$(tools/fetch-clip.sh)}

# Only for the comparison: nothing else needs Python.
peers=${XDG_CACHE_HOME:-$HOME/.cache}/ncafilter/peers
if ! "$peers/bin/python" -c 'import onnx, onnxruntime, torch' 2>/dev/null; then
    echo "Installing into $peers: PyTorch and onnxruntime (some GB)"
    python3 -m venv "$peers"
    "$peers/bin/pip" install --quiet --disable-pip-version-check \
        torch==2.11.0 onnx onnxruntime numpy
fi

cargo build --release --locked
worker=$(cargo bench --locked -p nca --bench worker --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*worker[^"]*\)".*/\1/p' | tail -n 1)
"$peers/bin/python" tools/bench/bench.py "$worker" \
    "${CARGO_TARGET_DIR:-target}/release/nca-restyle" "$clip" docs/performance.md
