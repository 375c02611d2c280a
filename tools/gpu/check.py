#!/usr/bin/env python3
"""Checks the GPU engines on this machine's card, then measures them beside PyTorch.

    python3 check.py [--tests | --bench] [--out FOLDER]

It lies in a folder that tools/gpu-check.sh made; an NVIDIA driver is needed, and PyTorch for the
comparison. Everything that is measured is also written as tables to FOLDER/performance.md (here, if
no folder is given), and all that the tests say to FOLDER/test-*.log.

Every number is the median of rounds in which all contestants take turns, so that a machine that is
slow for a while is slow for all of them.
"""

import argparse
import datetime
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE / "nca/tests/golden"
NOTEBOOK = str(GOLDEN / "notebook.safetensors")
PUBLISHED = str(GOLDEN / "published.safetensors")
SIZES = [(1280, 720), (1920, 1080), (3840, 2160)]
PEERS = ["eager-fp16-nhwc", "eager-fp32", "compiled-fp16-nhwc"]
ROUNDS = 5
STEPS = 32
# Seconds that each part may take.
TEST_LIMIT = 240


class Process:
    """Answers a line for every line."""

    def __init__(self, *command):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def ask(self, *words):
        """The answer; None if there is none, because the process has ended."""
        try:
            print(*words, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            return None
        return self.process.stdout.readline().strip() or None

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def card():
    """Name of the card and version of its driver."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,power.limit", "--format=csv,noheader"]
    try:
        return subprocess.run(query, check=True, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def tests(out):
    """Runs the tests of every backend; whether all passed."""
    passed = True
    environment = os.environ | {"CARGO_MANIFEST_DIR": str(HERE / "nca"), "NCA_REQUIRE_CUDA": "1"}
    for program in sorted(HERE.glob("test-*[!g]")):
        log = out / f"{program.name}.log"
        begin = time.monotonic()
        with log.open("w") as file:
            try:
                command = [program, "--nocapture", "--test-threads", "4"]
                code = subprocess.run(command, stdout=file, stderr=file, env=environment, timeout=TEST_LIMIT).returncode
            except subprocess.TimeoutExpired:
                code = f"more than {TEST_LIMIT} s"
        text = log.read_text()
        results = re.findall(r"^test result: .*|^skipped: .*|^.*(?:panicked at|off by [^;]*$).*", text, re.MULTILINE)
        print(*results[-40:], sep="\n")
        print(f"{program.name}: {'passed' if code == 0 else f'FAILED ({code})'}, {time.monotonic() - begin:.0f} s; {log}", flush=True)
        passed &= code == 0
    return passed


def turns(contestants):
    """Medians of what each contestant returns, asked in turn; none of those who do not answer."""
    results = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, ask in contestants.items():
            results[name].append(ask())
    return {name: statistics.median(v) if None not in v else None for name, v in results.items()}


def number(process, *question):
    def ask():
        answer = process.ask(*question)
        return float(answer) if answer and not answer.startswith("absent") else None

    return ask


def steps(torch_is_there):
    """Rows of the table of steps."""
    rows = []
    for width, height in SIZES:
        contestants, processes = {}, []
        for precision in ("half", "full"):
            worker = Process(HERE / "worker")
            processes.append(worker)
            worker.ask("load", NOTEBOOK, width, height, 0, precision, "cuda")
            contestants[f"ncafilter, {precision}, kernel"] = number(worker, "kernel", NOTEBOOK, width, height, precision, STEPS)
            contestants[f"ncafilter, {precision}, call"] = number(worker, "step", STEPS)
        for name in PEERS if torch_is_there else []:
            # Compiling takes long, so it is done for one size.
            if name.startswith("compiled") and height != 1080:
                continue
            peer = Process(sys.executable, HERE / "gpu_peers.py")
            processes.append(peer)
            if peer.ask("load", name, width, height) == "loaded":
                contestants[f"PyTorch, {name}"] = number(peer, "step", 5)
            else:
                print(f"PyTorch, {name}, does not run at {width}x{height}", flush=True)
        medians = turns(contestants)
        for process in processes:
            process.close()
        ours = medians["ncafilter, half, kernel"]
        for name, ms in medians.items():
            if ms is None or ours is None:
                print(f"{name} gave no answer at {width}x{height}", flush=True)
                continue
            # 15,930 multiply-adds a pixel.
            tflops = 2 * 15_930 * width * height / ms / 1e9
            rows.append([f"{width}x{height}", name, f"{ms:.3f}", f"{tflops:.1f}", f"{ms / ours:.1f}"])
            print(*rows[-1], sep="\t", flush=True)
    return rows


def frames():
    """Rows of the table of frames: source up, steps, picture down."""
    rows = []
    worker = Process(HERE / "worker")
    for name, model in [("notebook", NOTEBOOK), ("published", PUBLISHED), ("sketch", "sketch")]:
        for (width, height), backend in [(SIZES[1], "cuda"), (SIZES[2], "cuda"), (SIZES[1], "wgpu")]:
            for precision in ("half", "full"):
                loaded = worker.ask("load", model, width, height, 0, precision, backend)
                if loaded is None or loaded.startswith("absent"):
                    print(f"{name} does not run with {backend} at {width}x{height}: {loaded}", flush=True)
                    continue
                for n in (2, 8):
                    worker.ask("frame", n)
                    answers = [[float(x) for x in worker.ask("frame", n).split()] for _ in range(4 * ROUNDS)]
                    stepping, total = (statistics.median(column) for column in zip(*answers))
                    rows.append([name, f"{width}x{height}", backend, precision, n, f"{stepping:.2f}", f"{total:.2f}", f"{1000 / total:.0f}"])
                    print(*rows[-1], sep="\t", flush=True)
    worker.close()
    return rows


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def bench(out, name):
    try:
        import torch

        torch_is_there = torch.cuda.is_available()
        version = f"PyTorch {torch.__version__}"
    except ImportError:
        torch_is_there, version = False, "PyTorch is not installed"
    if not torch_is_there:
        print(f"Not compared with PyTorch: {version}, or it finds no card", flush=True)
    step_rows = steps(torch_is_there)
    frame_rows = frames()
    text = f"""{name}; {version}; {datetime.date.today()}.

A step of the notebook architecture (15,930 multiply-adds a pixel, three blurs). *Kernel* is the time
that events on the card say, *call* that of a whole call of {STEPS} steps; PyTorch is timed by events
too. *Times* is the time of a step relative to our kernel of half precision.

{table(["size", "engine", "ms a step", "TFLOP/s", "times"], step_rows)}

A whole frame of RGBx in memory: source up, so many steps, picture down, mixed with a strength of 0.8.

{table(["model", "size", "engine", "precision", "steps", "steps, ms", "frame, ms", "frames a second"], frame_rows)}
"""
    (out / "performance.md").write_text(text)
    print(f"\n{text}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tests", action="store_true", help="only the tests")
    parser.add_argument("--bench", action="store_true", help="only the measurements")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    name = card()
    print(f"card: {name or 'nvidia-smi finds none'}", flush=True)
    worker = Process(HERE / "worker")
    loaded = worker.ask("load", "sketch", 64, 48, 0, "half", "cuda")
    worker.close()
    if loaded is None or loaded.startswith("absent"):
        sys.exit(f"Nothing can be checked here: {loaded or 'the engine gives no answer'}")
    passed = arguments.bench or tests(arguments.out)
    if not arguments.tests:
        bench(arguments.out, name)
    sys.exit(0 if passed else "Some tests failed.")


if __name__ == "__main__":
    main()
