#!/bin/sh
# Fetches what training needs and builds nca-train.
set -eu

cd "$(dirname "$0")/.."
tools/rust.sh
tools/packages.sh train
LIBTORCH=$(tools/libtorch.sh)
export LIBTORCH
cargo build --release --locked -p nca-train

built=${CARGO_TARGET_DIR:-target}/release
cat <<END

The program:       $built/nca-train
libtorch:          $LIBTORCH

A style:           $built/nca-train --style PICTURE --content FOLDER -o style.pt
To keep it:        make install
END
