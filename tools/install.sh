#!/bin/sh
# Installs the plugin and the programs, for this user or below PREFIX; or removes them again.
# Usage: [PREFIX=/usr/local] tools/install.sh [remove]
set -eu

cd "$(dirname "$0")/.."
case ${PREFIX:-/} in
/*) ;;
*)
    echo "PREFIX=$PREFIX is no full path; it must begin with a slash." >&2
    exit 2
    ;;
esac
if [ "${1:-}" != remove ]; then
    tools/rust.sh
    tools/packages.sh build play
    cargo build --release --locked
fi

built=${CARGO_TARGET_DIR:-target}/release
if [ -n "${PREFIX:-}" ]; then
    programs=$PREFIX/bin
    plugins=$(pkg-config --define-variable=prefix="$PREFIX" --variable=pluginsdir gstreamer-1.0)
else
    programs=$HOME/.local/bin
    # Where GStreamer looks for the plugins of a user.
    plugins=${XDG_DATA_HOME:-$HOME/.local/share}/gstreamer-1.0/plugins
fi

if [ "${1:-}" = remove ]; then
    for file in "$plugins/libgstnca.so" "$programs/nca-restyle" "$programs/nca-model" "$programs/nca-train"; do
        if [ -e "$file" ]; then
            rm "$file" || exit 1
            echo "Removed: $file"
        fi
    done
    exit
fi

# Building needs no rights, and root may have no Rust: only the copying is done as root.
as_root=
if ! install -d "$programs" "$plugins" 2>/dev/null || ! [ -w "$programs" ] || ! [ -w "$plugins" ]; then
    if [ "$(id -u)" = 0 ] || ! command -v sudo >/dev/null; then
        echo "$programs and $plugins cannot be written to; PREFIX names another place." >&2
        exit 1
    fi
    echo "Installing with sudo below ${PREFIX:-$HOME/.local}"
    as_root=sudo
fi
$as_root install -d "$programs" "$plugins"
$as_root install -m 644 "$built/libgstnca.so" "$plugins"
echo "The plugin:   $plugins/libgstnca.so"
for program in "$built"/nca-*; do
    if [ -f "$program" ] && [ -x "$program" ]; then
        $as_root install -m 755 "$program" "$programs"
        echo "A program:    $programs/$(basename "$program")"
    fi
done
case :$PATH: in
*:"$programs":*) ;;
*) echo "$programs is not in PATH: add it there, or call the programs by their full path." ;;
esac
if ! gst-inspect-1.0 ncafilter >/dev/null 2>&1; then
    echo "GStreamer does not look in $plugins: set GST_PLUGIN_PATH=$plugins for programs that use the element."
fi
