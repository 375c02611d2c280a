"""What the engine is compared with: the same step in PyTorch and in onnxruntime."""

import pathlib
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

SOBEL = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
LAPLACIAN = torch.tensor([[1.0, 2, 1], [2, -12, 2], [1, 2, 1]])
CHANNELS, FROZEN, HIDDEN = 18, 3, 90
BLURS = {14: 15, 15: 7, 16: 3}


def gauss(size):
    a = torch.arange(size) - size // 2
    k = torch.exp(-(a**2) / 8.0)
    return (k[:, None] * k / k.sum() ** 2)[None, None]


class Step(torch.nn.Module):
    """The notebook architecture as one would write it for speed: one grouped convolution."""

    def __init__(self):
        super().__init__()
        filters = torch.stack([SOBEL, SOBEL.T, LAPLACIAN])
        self.register_buffer("filters", filters.repeat(CHANNELS, 1, 1)[:, None])
        for size in BLURS.values():
            self.register_buffer(f"gauss{size}", gauss(size))
        self.w1 = torch.nn.Conv2d(4 * CHANNELS, HIDDEN, 1)
        self.w2 = torch.nn.Conv2d(HIDDEN, HIDDEN, 1)
        self.w3 = torch.nn.Conv2d(HIDDEN, CHANNELS - FROZEN, 1)
        self.w3.weight.data *= 0.2

    def forward(self, x):
        responses = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), self.filters, groups=CHANNELS)
        y = torch.cat([x, responses], 1)
        y = self.w3(F.relu(self.w2(F.relu(self.w1(y)))))
        old = [x[:, FROZEN : min(BLURS)]]
        for channel, size in BLURS.items():
            r = size // 2
            padded = F.pad(x[:, channel : channel + 1], (r, r, r, r), mode="circular")
            old.append(F.conv2d(padded, getattr(self, f"gauss{size}")))
        old.append(x[:, max(BLURS) + 1 :])
        return torch.cat([x[:, :FROZEN], torch.cat(old, 1) + y], 1)


def start(width, height):
    return torch.rand(1, CHANNELS, height, width, generator=torch.Generator().manual_seed(1)) - 0.5


class Eager:
    """PyTorch without compilation; `layout` of the memory is nchw or nhwc."""

    def __init__(self, width, height, threads, layout):
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        form = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}[layout]
        self.step = Step().eval().to(memory_format=form)
        self.x = start(width, height).contiguous(memory_format=form)

    def run(self):
        with torch.inference_mode():
            self.x = self.step(self.x)


class Onnx:
    """onnxruntime, from PyTorch's export."""

    def __init__(self, width, height, threads, folder):
        import onnxruntime

        path = pathlib.Path(folder) / f"step-{width}x{height}.onnx"
        if not path.exists():
            # In a process of its own: the memory that it takes is not onnxruntime's.
            command = [sys.executable, __file__, "export", path, str(width), str(height)]
            subprocess.run(command, check=True, capture_output=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        self.x = start(width, height).numpy()

    def run(self):
        self.x = self.session.run(None, {"x": self.x})[0]


def export(path, width, height):
    torch.manual_seed(0)
    x = start(int(width), int(height))
    torch.onnx.export(Step().eval(), (x,), path, input_names=["x"], dynamo=False, opset_version=17)


def make(name, width, height, threads, folder):
    if name == "onnxruntime":
        return Onnx(width, height, threads, folder)
    return Eager(width, height, threads, name.removeprefix("pytorch-"))


def main():
    """Answers on standard output, as benches/worker does: load NAME WIDTH HEIGHT THREADS, step N,
    memory."""
    folder, peer, before = sys.argv[1], None, 0
    for line in sys.stdin:
        match line.split():
            case ["load", name, *numbers]:
                peer = None
                before = memory()
                peer = make(name, *map(int, numbers), folder)
                peer.run()
                answer = "loaded"
            case ["step", n]:
                begin = time.perf_counter()
                for _ in range(int(n)):
                    peer.run()
                answer = (time.perf_counter() - begin) * 1e3 / int(n)
            case ["memory"]:
                answer = memory() - before
        print(answer, flush=True)


def memory():
    """Most that the process has had, in MB."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


if __name__ == "__main__":
    if sys.argv[1] == "export":
        export(*sys.argv[2:])
    else:
        main()
