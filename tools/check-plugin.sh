#!/bin/sh
# Checks a built plugin: its size, what it is linked to, and that GStreamer's scanner takes it.
# Usage: tools/check-plugin.sh [PLUGIN]
set -eu

plugin=${1:-target/release/libgstnca.so}
fail() {
    echo "$plugin: $1" >&2
    exit 1
}
[ -f "$plugin" ] || fail "there is no such file; build it with: cargo build --release -p gst-plugin-nca"

size=$(wc -c <"$plugin")
[ "$size" -lt 10000000 ] || fail "it has $size bytes; 10,000,000 are the limit"

others=$(readelf -d "$plugin" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    grep -Ev '^(libgst|libgobject-|libglib-|libgmodule-|libgio-|libc\.|libm\.|libgcc_s\.|ld-linux|libpthread\.)' || true)
[ -z "$others" ] || fail "it needs more than GStreamer, GLib and the C library: $others"

# A registry of its own, so that neither an installed plugin nor an old scan answers.
registry=$(mktemp)
trap 'rm -f "$registry"' EXIT
folder=$(cd "$(dirname "$plugin")" && pwd)
export GST_REGISTRY="$registry" GST_PLUGIN_PATH="$folder"
inspect() { gst-inspect-1.0 ncafilter | grep -q "Filter/Effect/Video"; }
inspect || fail "GStreamer does not load it"

# The second time: the first also scans every other plugin of this machine.
start=$(date +%s%3N)
inspect
time=$(($(date +%s%3N) - start))

echo "$plugin: $size bytes, linked to GStreamer, GLib and the C library only; gst-inspect-1.0 took $time ms"
