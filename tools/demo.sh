#!/bin/sh
# Restyles a clip with what this folder holds, and shows the result beside the original.
# Usage: [CLIP=film.mp4] tools/demo.sh
set -eu

cd "$(dirname "$0")/.."
clip=${CLIP:-}
if [ -n "$clip" ] && [ ! -r "$clip" ]; then
    echo "There is no readable file $clip; CLIP names the film to restyle." >&2
    exit 1
fi

tools/rust.sh
tools/packages.sh build play
[ -n "$clip" ] || clip=$(tools/fetch-clip.sh)

echo "Building"
cargo build --release --locked --lib --bins --example contact_sheet

mkdir -p demo
name=$(basename "$clip")
name=${name%.*}
built=${CARGO_TARGET_DIR:-target}/release
echo "Restyling $clip, 15 seconds at most"
"$built/nca-restyle" "$clip" "demo/$name-sketch.mp4" --model sketch \
    --duration 15 --overwrite
"$built/examples/contact_sheet" "$clip" "demo/$name-sketch.mp4" "demo/$name-sketch.png"

cat <<END

The film:          demo/$name-sketch.mp4
Before and after:  demo/$name-sketch.png
The original:      $clip
The plugin:        $built/libgstnca.so
The program:       $built/nca-restyle

Your own film:     make demo CLIP=film.mp4
In a pipeline:     GST_PLUGIN_PATH=$built gst-launch-1.0 videotestsrc ! videoconvert ! ncafilter model=sketch ! videoconvert ! autovideosink
To keep it:        make install
END
