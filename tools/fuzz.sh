#!/bin/sh
# Feeds the reader of model files with whatever libFuzzer comes up with.
# Usage: tools/fuzz.sh [SECONDS]
#
# It starts from fuzz/corpus/model_file and the model files of this folder. What it finds to be new
# stays in the cache for the next run; an input that makes the reader panic, hang or take memory is
# kept in fuzz/artifacts and named.
set -eu

cd "$(dirname "$0")/.."
seconds=${1:-60}
tools/rust.sh
tools/packages.sh fuzz
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "Installing with cargo: cargo-fuzz"
    cargo install --quiet --locked cargo-fuzz
fi

found=${XDG_CACHE_HOME:-$HOME/.cache}/ncafilter/fuzz/model_file
mkdir -p "$found"
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
find tests/golden models \( -name '*.pt' -o -name '*.safetensors' \) ! -name '*.golden.*' \
    -exec cp {} "$seeds" \;

# The sanitizers are for nightly compilers; this lets the one that is there have them too.
export RUSTC_BOOTSTRAP=1
cargo fuzz run model_file "$found" fuzz/corpus/model_file "$seeds" -- \
    -max_total_time="$seconds" -max_len=131072 -timeout=10 -malloc_limit_mb=64 -print_final_stats=1
