#!/bin/sh
# Installs the plugin and the programs, for this user or below PREFIX.
# Usage: [PREFIX=/usr/local] tools/install.sh
set -eu

cd "$(dirname "$0")/.."
tools/rust.sh
tools/packages.sh build play
cargo build --release --locked --workspace

built=${CARGO_TARGET_DIR:-target}/release
if [ -n "${PREFIX:-}" ]; then
    programs=$PREFIX/bin
    plugins=$(pkg-config --define-variable=prefix="$PREFIX" --variable=pluginsdir gstreamer-1.0)
else
    programs=$HOME/.local/bin
    # Where GStreamer looks for the plugins of a user.
    plugins=${XDG_DATA_HOME:-$HOME/.local/share}/gstreamer-1.0/plugins
fi

install -d "$programs" "$plugins"
install -m 755 "$built/nca-restyle" "$built/nca-model" "$programs"
install -m 644 "$built/libgstnca.so" "$plugins"

echo "The plugin:   $plugins/libgstnca.so"
echo "The programs: $programs/nca-restyle, $programs/nca-model"
case :$PATH: in
*:"$programs":*) ;;
*) echo "$programs is not in PATH: add it there, or call the programs by their full path." ;;
esac
if ! gst-inspect-1.0 --exists ncafilter; then
    echo "GStreamer does not look in $plugins: set GST_PLUGIN_PATH=$plugins for programs that use the element."
fi
