#!/bin/sh
# Feeds the reader of model files with whatever libFuzzer comes up with.
# Usage: tools/fuzz.sh [SECONDS [TARGET...]]     targets: model_file, pickle_program
#
# Each target runs for so many seconds (60 where none are given): model_file reads any bytes, starting
# from fuzz/corpus/model_file and the model files of this folder; pickle_program reads archives of any
# program for the pickle's machine. What is found to be new stays in the cache for the next run; an
# input that makes the reader panic, hang or take memory is kept in fuzz/artifacts and named.
set -eu

cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- model_file pickle_program
tools/rust.sh
tools/packages.sh fuzz
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "Installing with cargo: cargo-fuzz"
    cargo install --quiet --locked cargo-fuzz
fi

seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
mkdir "$seeds/model_file" "$seeds/pickle_program"
find tests/golden models \( -name '*.pt' -o -name '*.safetensors' \) ! -name '*.golden.*' \
    -exec cp {} "$seeds/model_file" \;

# The sanitizers are for nightly compilers; this lets the one that is there have them too.
export RUSTC_BOOTSTRAP=1
# What was freed is kept for a while to find uses of it; it counts, so it is not to be much.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=16"
for target in "$@"; do
    found=${XDG_CACHE_HOME:-$HOME/.cache}/ncafilter/fuzz/$target
    mkdir -p "$found" "fuzz/corpus/$target"
    # A program's steps are few bytes each, but it needs many to get anywhere.
    case $target in
    pickle_program) lengths="-max_len=4096 -len_control=0" ;;
    *) lengths="-max_len=131072" ;;
    esac
    # An input may take ten seconds, far more than any needs, because the machine may be busy. The
    # process may take as much memory as the largest file explains, and as much again for the
    # sanitizer and what is known of earlier inputs.
    # The lengths are separate words on purpose.
    # shellcheck disable=SC2086
    cargo fuzz run "$target" "$found" "fuzz/corpus/$target" "$seeds/$target" -- \
        -max_total_time="$seconds" $lengths -timeout=10 \
        -malloc_limit_mb=64 -rss_limit_mb=512 -print_final_stats=1
done
