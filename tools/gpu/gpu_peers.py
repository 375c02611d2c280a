"""What the cuda engine is compared with: the same step in PyTorch on the same card."""

import sys

import torch

from peers import Step, start


class Peer:
    """`name`: eager or compiled, fp16 or fp32, and nhwc for channels last."""

    def __init__(self, name, width, height):
        torch.manual_seed(0)
        torch.backends.cudnn.benchmark = True
        # The engine's full precision does not round to TF32 either.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        dtype = torch.float16 if "fp16" in name else torch.float32
        form = torch.channels_last if name.endswith("nhwc") else torch.contiguous_format
        self.step = Step().eval().to("cuda", dtype).to(memory_format=form)
        self.x = start(width, height).to("cuda", dtype).contiguous(memory_format=form)
        if name.startswith("compiled"):
            self.step = torch.compile(self.step, dynamic=False)

    @torch.inference_mode()
    def run(self, n):
        """Milliseconds a step, of n steps."""
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(n):
            self.x = self.step(self.x)
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / n


def main():
    """Answers on standard output: load NAME WIDTH HEIGHT, step N."""
    peer = None
    for line in sys.stdin:
        match line.split():
            case ["load", name, width, height]:
                peer = Peer(name, int(width), int(height))
                peer.run(3)
                answer = "loaded"
            case ["step", n]:
                answer = peer.run(int(n))
        print(answer, flush=True)


main()
