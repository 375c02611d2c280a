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
cargo clippy --locked --workspace --all-targets -- -D warnings

step "CUDA kernels"
tools/cuda/check-ptx.sh

step "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

step "Tests"
cargo test --locked --workspace

step "The trainer"
LIBTORCH=$(tools/libtorch.sh)
export LIBTORCH
cargo clippy --locked -p nca --features train --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --locked -p nca --features train --no-deps
cargo test --locked -p nca --features train --lib train::
cargo test --locked -p nca --features train --test train

step "The plugin as it ships"
cargo build --release --locked --workspace
tools/check-plugin.sh "${CARGO_TARGET_DIR:-target}/release/libgstnca.so"

printf '\nAll tests passed.\n'
