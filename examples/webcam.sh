#!/bin/sh
# Restyles a webcam in a window. Usage: examples/webcam.sh [MODEL] [DEVICE]
set -eu

model=${1:-sketch}
device=${2:-/dev/video0}
# What was built here is found without an installation.
GST_PLUGIN_PATH=$(dirname "$0")/../target/release${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
export GST_PLUGIN_PATH

exec gst-launch-1.0 v4l2src device="$device" ! decodebin ! videoconvert ! videoscale ! \
    video/x-raw,width=640,height=360 ! queue max-size-buffers=1 leaky=downstream ! \
    ncafilter model="$model" ! videoconvert ! autovideosink
