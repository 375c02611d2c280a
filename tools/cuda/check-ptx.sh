#!/bin/sh
# Checks the PTX of the cuda engine without a card: that it is what the kernels compile to, and that
# NVIDIA's assembler takes it for every generation of cards that the engine runs on, without a kernel
# spilling registers to memory. Prints the registers of each kernel.
# Usage: tools/cuda/check-ptx.sh [ARCHITECTURE...]    by default all
set -eu

here=$(cd "$(dirname "$0")" && pwd)
ptx=$here/../../src/engine/cuda/ptx
[ $# -gt 0 ] || set -- 75 80 86 87 89 90 100 120

"$here/build-ptx.sh" --check
ptxas=$("$here/fetch.sh" ptxas)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# Prints "NAME.TARGET.ptx ARCHITECTURE" for what a card of each architecture loads: the newest target
# that is not newer than itself.
pairs() {
    for arch in "$@"; do
        for file in "$ptx"/*.ptx; do
            target=${file%.ptx}
            target=${target##*.}
            name=${file%."$target".ptx}
            newer=$(for other in "$name".*.ptx; do
                other=${other%.ptx}
                other=${other##*.}
                if [ "$other" -gt "$target" ] && [ "$other" -le "$arch" ]; then echo "$other"; fi
            done)
            if [ "$target" -le "$arch" ] && [ -z "$newer" ]; then
                echo "$(basename "$file") $arch"
            fi
        done
    done
}

cat >"$work/assemble.sh" <<'END'
ptxas=$1 ptx=$2 work=$3 file=$4 arch=$5
log=$work/$file.$arch
"$ptxas" -v -arch "sm_$arch" "$ptx/$file" -o "$log.cubin" >"$log.log" 2>&1 || {
    cat "$log.log" >&2
    exit 1
}
awk -v arch="$arch" '
    /Compiling entry function/ { split($0, quoted, "\047"); kernel = quoted[2] }
    /bytes spill stores/ { spilled = $5 + $9 }
    /Used [0-9]+ registers/ {
        for (i = 1; i <= NF; i++) if ($i == "Used") registers = $(i + 1)
        printf "%-20s sm_%-4s %3d registers, %d bytes spilled\n", kernel, arch, registers, spilled
    }' "$log.log" >"$log.txt"
END
pairs "$@" | xargs -P "$(nproc)" -L 1 sh "$work/assemble.sh" "$ptxas" "$ptx" "$work"
sort "$work"/*.txt
if grep -qv ' 0 bytes spilled' "$work"/*.txt; then
    echo "A kernel spills registers, see above: make its tiles smaller." >&2
    exit 1
fi
