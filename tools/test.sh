#!/bin/sh
# Everything that must hold before a change is accepted.
set -eu

cd "$(dirname "$0")/.."
tools/rust.sh rustfmt clippy
tools/packages.sh build play test lint cuda

step() { printf '\n== %s\n' "$1"; }

step "Scripts"
shellcheck .ci/run tools/*.sh tools/bench/*.sh tools/cuda/*.sh examples/*.sh

step "Formatting"
cargo fmt --all --check

step "Lints"
cargo clippy --locked --all-targets -- -D warnings

step "CUDA kernels"
tools/cuda/check-ptx.sh

step "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

step "Tests"
cargo test --locked

step "The trainer"
LIBTORCH=$(tools/libtorch.sh)
export LIBTORCH
cargo clippy --locked -p nca-train --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --locked -p nca-train --no-deps
cargo test --locked -p nca-train
# With the trainer in the same build, too, the plugin needs nothing of what that needs.
cargo test --locked --workspace --all-features --test linkage

step "The plugin as it ships"
cargo build --release --locked
tools/check-plugin.sh "${CARGO_TARGET_DIR:-target}/release/libgstnca.so"

printf '\nAll tests passed.\n'
