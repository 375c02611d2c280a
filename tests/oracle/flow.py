"""Compares the motion that the library finds with OpenCV's, on pictures whose motion is known.

    cargo build --release --example flow
    python tests/oracle/flow.py FOLDER [--threads N]

FOLDER holds folders like those of MPI Sintel's training set: frame_0002.png, frame_0003.png and, in
gt/, frame_0002.flo, invalid/frame_0002.png and occlusions/frame_0002.png. Prints, for each, the mean
endpoint error in pixels over all valid pixels and over those that are not occluded, the share that is
off by more than 3, and the least time of twenty estimates. Needs opencv-python-headless and numpy.
"""

import argparse
import os
import pathlib
import subprocess
import tempfile
import time

import cv2
import numpy as np

ROOT = pathlib.Path(__file__).parent.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


def read_flow(path):
    data = path.read_bytes()
    width, height = np.frombuffer(data[4:12], np.int32)
    return np.frombuffer(data[12:], np.float32).reshape(height, width, 2)


def opencv(preset, new, old):
    new, old = (cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2GRAY) for path in (new, old))
    flow = cv2.DISOpticalFlow_create(PRESETS[preset])
    times = []
    for _ in range(20):
        start = time.perf_counter()
        found = flow.calc(new, old, None)
        times.append(time.perf_counter() - start)
    return found, 1e3 * min(times)


def library(quality, new, old, threads):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "motion.flo"
        program = TARGET / "release" / "examples" / "flow"
        said = subprocess.check_output([program, old, new, out, quality, str(threads)])
        return read_flow(out), float(said)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    print("| pair | estimator | error | not occluded | off by > 3 | ms |")
    print("|---|---|---|---|---|---|")
    for pair in sorted(path for path in arguments.folder.iterdir() if path.is_dir()):
        new, old = pair / "frame_0002.png", pair / "frame_0003.png"
        truth = read_flow(pair / "gt/frame_0002.flo")
        invalid, occluded = (
            cv2.imread(str(pair / f"gt/{mask}/frame_0002.png"), cv2.IMREAD_GRAYSCALE) > 0
            for mask in ("invalid", "occlusions")
        )
        runs = [(f"OpenCV DIS {preset}", opencv(preset, new, old)) for preset in PRESETS]
        for quality in ("fast", "balanced", "fine"):
            runs.append((f"nca {quality}", library(quality, new, old, arguments.threads)))
        for name, (found, milliseconds) in runs:
            error = np.linalg.norm(found - truth, axis=2)
            print(
                f"| {pair.name} | {name} | {error[~invalid].mean():.3f} "
                f"| {error[~invalid & ~occluded].mean():.3f} "
                f"| {(error[~invalid] > 3).mean():.1%} | {milliseconds:.1f} |"
            )


if __name__ == "__main__":
    main()
