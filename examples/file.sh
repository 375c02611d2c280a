#!/bin/sh
# Restyles the pictures of a film, without its sound; nca-restyle does more.
# Usage: examples/file.sh IN OUT.mp4 [MODEL]
set -eu

in=${1:?name a film, and what to write}
out=${2:?name what to write}
model=${3:-sketch}
[ -r "$in" ] || {
    echo "$in cannot be read" >&2
    exit 1
}
[ ! -e "$out" ] || {
    echo "$out exists already" >&2
    exit 1
}
# What was built here is found without an installation.
GST_PLUGIN_PATH=$(dirname "$0")/../target/release${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
export GST_PLUGIN_PATH

# Without qos=false, frames that come late would be dropped; a file has time.
exec gst-launch-1.0 -e filesrc location="$in" ! decodebin ! videoconvert ! \
    ncafilter model="$model" qos=false ! videoconvert ! video/x-raw,format=I420 ! \
    x264enc ! h264parse ! mp4mux ! filesink location="$out"
