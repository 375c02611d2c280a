"""One iteration of the notebooks' recipe as the notebooks compute it, for comparison with
benches/notebook_iteration.rs: 224x224 pixels, batch 4, 32 steps, 16 checkpointed segments.

    python tests/oracle/speed.py VGG.safetensors
"""

import resource
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch.utils.checkpoint import checkpoint_sequential
from training import CONTENT, STYLE, gram, hellinger, histogram

STEPS, SEGMENTS = 32, 16
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
SOBEL = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
LAPLACIAN = torch.tensor([[1.0, 2, 1], [2, -12, 2], [1, 2, 1]])
FILTERS = torch.stack([SOBEL, SOBEL.T, LAPLACIAN])[:, None]


def gauss(size):
    a = torch.arange(size) - (size - 1) / 2
    k = torch.exp(-(a**2) / 8)
    return (k[:, None] * k[None] / k.sum() ** 2)[None, None]


class Automaton(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w1, self.w2, self.w3 = (torch.nn.Conv2d(i, o, 1) for i, o in ((72, 90), (90, 90), (90, 15)))
        with torch.no_grad():
            for p in self.parameters():
                p *= 0.15

    def forward(self, x):
        b, c, h, w = x.shape
        y = F.conv2d(F.pad(x.reshape(b * c, 1, h, w), [1] * 4, "circular"), FILTERS).reshape(b, -1, h, w)
        y = torch.relu(self.w2(torch.relu(self.w1(torch.cat((x, y), 1)))))
        y = self.w3(y)
        x = x.clone()
        for i, size in enumerate((3, 7, 15)):
            p, at = size // 2, c - 2 - i
            x[:, at : at + 1] = F.conv2d(F.pad(x[:, at : at + 1].clone(), [p] * 4, "circular"), gauss(size))
        return torch.cat((x[:, :3], x[:, 3:] + y), 1)


def network(weights):
    pooled = {5, 10, 19, 28}

    def features(pictures, taps):
        x, out = (pictures - MEAN) / DEVIATION, {}
        for i in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28):
            if i in pooled:
                x = F.max_pool2d(x, 2)
            x = torch.relu(F.conv2d(x, weights[f"features.{i}.weight"], weights[f"features.{i}.bias"], padding=1))
            if i + 1 in taps:
                out[i + 1] = x
        return out

    return features


def main():
    torch.manual_seed(0)
    torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else torch.get_num_threads())
    features, ca = network(load_file(sys.argv[1])), Automaton()
    optimizer = torch.optim.Adam(ca.parameters(), 1e-3)
    style, pictures = torch.rand(1, 3, 224, 224), torch.rand(4, 3, 224, 224)
    with torch.no_grad():
        wanted = {k: gram(v) for k, v in features(style, STYLE).items()}
        colours = histogram(style)
        content = gram(features(pictures, [CONTENT])[CONTENT])
    start = torch.cat((pictures - 0.5, pictures - 0.5, torch.rand(4, 12, 224, 224) - 0.5), 1)
    for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 2):
        begun = time.time()
        end = checkpoint_sequential([ca] * STEPS, SEGMENTS, start, use_reentrant=False)
        shown = end[:, 3:6] + 0.5
        found = {k: gram(v) for k, v in features(shown, [*STYLE, CONTENT]).items()}
        loss = sum((found[k] - wanted[k]).square().mean() * w / 341 for k, w in STYLE.items()) * 0.4
        loss = loss + (found[CONTENT] - content).square().mean()
        loss = loss + hellinger(histogram(shown), colours) * 2
        loss = loss + (end - end.clamp(-1, 1)).abs().sum()
        loss.backward()
        for p in ca.parameters():
            p.grad /= p.grad.norm() + 1e-8
        optimizer.step()
        optimizer.zero_grad()
        print(f"{time.time() - begun:.2f} s", flush=True)
    print("VmHWM", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, "kB")


if __name__ == "__main__":
    main()
