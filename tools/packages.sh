#!/bin/sh
# Installs what is missing on Debian and Ubuntu. Asks for what is needed, not for packages, so that
# whatever provides it will do, and nothing happens (and no network is needed) when all is there.
# Usage: tools/packages.sh GROUP...
# Groups: make, build, play, test, clip, train, fuzz, lint, cuda
set -eu

c_compiler() { echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - 2>/dev/null; }
command_() { command -v "$1" >/dev/null; }
library() { pkg-config --atleast-version="$2" "$1" 2>/dev/null; }
element() { gst-inspect-1.0 "$1" >/dev/null 2>&1; }
# A driver for Vulkan; without a graphics card it is one in software.
vulkan() { find /usr/share/vulkan/icd.d /etc/vulkan/icd.d -name '*.json' 2>/dev/null | grep -q .; }
certificates() { [ -s "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" ]; }
venv_or_pip() { python3 -m pip --version >/dev/null 2>&1 || python3 -c 'import ensurepip, venv' 2>/dev/null; }

# need PACKAGE CHECK...: adds the package to those that are missing if the check fails.
need() {
    package=$1
    shift
    "$@" || missing="$missing $package"
}

find_missing() {
    missing=
    for group in "$@"; do
        case $group in
        make)
            need make command_ make
            ;;
        build)
            need gcc command_ cc
            need libc6-dev c_compiler
            need ca-certificates certificates
            need pkg-config command_ pkg-config
            need libgstreamer1.0-dev library gstreamer-1.0 1.22
            need libgstreamer-plugins-base1.0-dev library gstreamer-video-1.0 1.22
            ;;
        play)
            need gstreamer1.0-tools command_ gst-inspect-1.0
            need gstreamer1.0-plugins-base element videoconvert
            need gstreamer1.0-plugins-good element mp4mux
            need gstreamer1.0-plugins-bad element h264parse
            need gstreamer1.0-plugins-ugly element x264enc
            need gstreamer1.0-libav element avdec_h264
            ;;
        test)
            need mesa-vulkan-drivers vulkan
            need ffmpeg command_ ffprobe
            ;;
        clip)
            need ca-certificates certificates
            need python3 command_ python3
            need python3-venv venv_or_pip
            ;;
        train)
            need g++ command_ c++
            need gcc command_ cc
            need libc6-dev c_compiler
            need ca-certificates certificates
            need python3 command_ python3
            need python3-venv venv_or_pip
            ;;
        fuzz)
            need g++ command_ c++
            ;;
        cuda)
            need g++ command_ c++
            need ca-certificates certificates
            need python3 command_ python3
            need python3-venv venv_or_pip
            ;;
        lint)
            need binutils command_ readelf
            need shellcheck command_ shellcheck
            ;;
        *)
            echo "tools/packages.sh knows no group of packages named $group" >&2
            exit 2
            ;;
        esac
    done
    # A package may be in two groups.
    missing=$(printf '%s\n' "$missing" | tr ' ' '\n' | sed '/^$/d' | sort -u | tr '\n' ' ')
    missing=${missing% }
}

find_missing "$@"
[ -n "$missing" ] || exit 0

if ! command_ apt-get; then
    echo "This is not Debian or Ubuntu: install what these Debian packages hold, then try again: $missing" >&2
    exit 1
elif [ "$(id -u)" = 0 ]; then
    as_root=
elif command_ sudo; then
    as_root=sudo
else
    echo "These packages are missing, and installing them needs root or sudo; ask an administrator for: apt-get install $missing" >&2
    exit 1
fi

echo "Installing with ${as_root:+sudo }apt-get: $missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The names are separate words on purpose, and an empty $as_root is none.
# shellcheck disable=SC2086
if ! { $as_root apt-get update -qq &&
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $missing; } >"$log"; then
    cat "$log" >&2
    echo "The packages could not be installed, for the reason above. With the rights to do it: apt-get install $missing" >&2
    exit 1
fi

find_missing "$@"
if [ -n "$missing" ]; then
    echo "Installed, but still not usable is what these packages should bring: $missing. GStreamer 1.22 or newer is needed (Debian 12, Ubuntu 24.04)." >&2
    exit 1
fi
