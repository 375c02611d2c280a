"""Measures the CPU engine against its peers and the processor's own limit; tools/bench/bench.sh sets
everything up and calls it.

    python tools/bench/bench.py WORKER RESTYLE CLIP REPORT

Every number is the median of rounds in which all contestants take turns, so that a machine that is
slow for a while is slow for all of them.
"""

import datetime
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

SIZES = [(640, 360), (1280, 720), (1920, 1080)]
PEERS = ["pytorch-nhwc", "pytorch-nchw", "onnxruntime"]
HERE = pathlib.Path(__file__).parent
MODELS = HERE.parent.parent / "tests/golden"
NOTEBOOK = str(MODELS / "notebook.safetensors")
ROUNDS = 3


class Process:
    """Answers a line for every line."""

    def __init__(self, *command):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().strip()
        if not answer:
            sys.exit(f"there was no answer to: {' '.join(map(str, words))}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def processor():
    names = re.findall(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return names[0] if names else platform.machine()


def turns(contestants):
    """Medians of what each contestant returns, asked in turn; `contestants` by name."""
    results = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, ask in contestants.items():
            # The threads of the one before may still be waiting for more, which costs time.
            time.sleep(0.1)
            results[name].append(ask())
    return {name: statistics.median(values) for name, values in results.items()}


def number(process, *question):
    return lambda: float(process.ask(*question))


def steps(worker, folder, cores):
    """Rows of the table of steps, for one thread and for all."""
    rows = []
    for threads in sorted({1, cores}):
        for width, height in SIZES:
            if threads == 1 and (width, height) != SIZES[1]:
                continue
            # Each a process of its own, whose memory is only its own.
            ours = {p: Process(worker) for p in ("full", "half")}
            peers = {name: Process(sys.executable, HERE / "peers.py", folder) for name in PEERS}
            loaded = {p: w.ask("load", NOTEBOOK, width, height, threads, p, "cpu") for p, w in ours.items()}
            for name, peer in peers.items():
                peer.ask("load", name, width, height, threads)
            there = {p: w for p, w in ours.items() if not loaded[p].startswith("absent")}
            medians = turns(
                {p: number(w, "step", 3) for p, w in there.items()}
                | {name: number(peer, "step", 1) for name, peer in peers.items()}
                | {"peak": number(ours["full"], "peak", threads)}
            )
            flops = 2 * int(loaded["full"]) * width * height
            for name in [*there, *PEERS]:
                ms = medians[name]
                label = {"full": "ncafilter", "half": "ncafilter, half precision"}.get(name, name)
                process = there.get(name) or peers[name]
                rows.append(
                    [f"{width}x{height}", threads, label, f"{ms:.1f}", f"{flops / ms / 1e6:.0f}",
                     f"{100 * flops / ms / 1e6 / medians['peak']:.0f}%", f"{ms / medians['full']:.2f}",
                     f"{float(process.ask('memory')):.0f}"]
                )
                print(*rows[-1], sep="\t", flush=True)
            for process in [*ours.values(), *peers.values()]:
                process.close()
    return rows


def frames(worker, cores):
    """Rows of the table of frames: what real time takes."""
    rows = []
    process = Process(worker)
    models = [("sketch", "sketch", 2), ("sketch", "sketch", 4), ("published", str(MODELS / "published.safetensors"), 4)]
    for name, model, n in models:
        for width, height in SIZES:
            for precision in ("full", "half"):
                if process.ask("load", model, width, height, cores, precision, "cpu").startswith("absent"):
                    continue
                answers = [[float(x) for x in process.ask("frame", n).split()] for _ in range(ROUNDS)]
                stepping = statistics.median(a[0] for a in answers)
                over = statistics.median(a[1] / a[0] - 1 for a in answers)
                total = statistics.median(a[1] for a in answers)
                rows.append([name, f"{width}x{height}", n, precision, f"{stepping:.1f}", f"{total:.1f}",
                             f"{100 * over:.1f}%", f"{1000 / total:.0f}"])
                print(*rows[-1], sep="\t", flush=True)
    process.close()
    return rows


def films(restyle, clip):
    """Rows of the table of files: all of nca-restyle, decoding and encoding included."""
    rows = []
    for size in ("640x360", "1280x720"):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out.mp4"
            command = [restyle, clip, out, "--size", size, "--duration", "4", "--encoder", "x264enc"]
            begin = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds = time.perf_counter() - begin
            # identity says a line for every frame.
            count = f"gst-launch-1.0 -v filesrc location={out} ! decodebin ! identity silent=false ! fakesink"
            said = subprocess.run(count.split(), check=True, capture_output=True, text=True).stdout
            frames = said.count("last-message = chain")
            rows.append([size, frames, f"{seconds:.1f}", f"{frames / seconds:.1f}"])
            print(*rows[-1], sep="\t", flush=True)
    return rows


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main(worker, restyle, clip, report):
    process = Process(worker)
    machine = process.ask("machine")
    process.close()
    cores = int(machine.split()[0])
    with tempfile.TemporaryDirectory() as folder:
        step_rows = steps(worker, folder, cores)
    frame_rows = frames(worker, cores)
    film_rows = films(restyle, clip)
    text = f"""{processor()}, {machine}; {datetime.date.today()}.

A step of the notebook architecture (15,930 multiply-adds a pixel, three blurs). *Peak* is that of f32
multiply-adds, measured in the same rounds. *Times* is the time of a step relative to ours. *Memory* is
the most that the process took for it.

{table(["size", "threads", "engine", "ms a step", "GFLOP/s", "of peak", "times", "memory, MB"], step_rows)}

A whole frame of RGBx in memory: source in, so many steps, picture out with a strength of 0.8.
*Beside steps* is what all but the steps costs, relative to them.

{table(["model", "size", "steps", "precision", "steps, ms", "frame, ms", "beside steps", "frames a second"], frame_rows)}

All of `nca-restyle` with the bundled model on a real clip: decoding, scaling, restyling, H.264.

{table(["size", "frames", "seconds", "frames a second"], film_rows)}
"""
    path = pathlib.Path(report)
    begin, end = "<!-- begin: make bench -->\n", "<!-- end: make bench -->"
    before, rest = path.read_text().split(begin)
    path.write_text(before + begin + "\n" + text + "\n" + end + rest.split(end)[1])
    print(f"\nThe tables are in {report}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
