#!/bin/sh
# Checks that Rust is there and new enough.
# Usage: tools/rust.sh [COMPONENT...]     components: rustfmt, clippy
set -eu

cd "$(dirname "$0")/.."
needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

if ! found=$(rustc --version 2>/dev/null) || ! cargo --version >/dev/null 2>&1; then
    echo "Rust $needed or newer is needed and was not found; https://rustup.rs shows how to get it." >&2
    exit 1
fi
version=$(echo "$found" | cut -d ' ' -f 2)
if [ "$(printf '%s\n' "$needed" "$version" | sort -V | head -n 1)" != "$needed" ]; then
    echo "Rust $needed or newer is needed, this is $version. With rustup: rustup update stable" >&2
    exit 1
fi

for component in "$@"; do
    case $component in
    rustfmt) program=fmt ;;
    *) program=$component ;;
    esac
    cargo "$program" --version >/dev/null 2>&1 && continue
    if ! command -v rustup >/dev/null; then
        echo "cargo $program is needed and was not found; with rustup: rustup component add $component" >&2
        exit 1
    fi
    echo "Installing with rustup: $component"
    rustup component add "$component"
done
