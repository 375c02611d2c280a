"""Trains `sketch`, the bundled automaton that redraws what it sees with a pencil.

    python models/make_sketch.py --photos DIR --out models/sketch.safetensors

DIR holds any photographs (a few dozen are enough). Needs torch, numpy, pillow and safetensors.

No picture of a drawing is involved: what a drawing should be is written down as image operations
(`Drawing`). Lines and tone are compared pixel by pixel. Hatching is compared by how strongly
strokes of a direction show around each pixel, so that the automaton is free to place them: a rule
that is the same for every pixel has no coordinates, it must grow them out of its noise.

The sources move while the automaton runs, its state is kept in a pool and trained on, so that it
is at home in video and stays what it is for as long as it runs.
"""

import argparse
import json
import math
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

FROZEN, CHANNELS, HIDDEN = 3, 12, 32
SOBEL, LAPLACIAN = 0.125, 0.0625
BLURS = {11: (7, 2.0)}  # channel: (size, sigma)
WARMUP, STEPS = 24, 2

PAPER = torch.tensor([1.0, 0.985, 0.95])
LUMA = torch.tensor([0.2989, 0.587, 0.114])
PERIOD = 5.0  # pixels from stroke to stroke
STROKE = 0.17  # amplitude of full hatching


# --- the automaton -------------------------------------------------------------------------------

def gauss(size, sigma):
    x = torch.arange(size) - (size - 1) / 2
    k = torch.exp(-(x**2) / (2 * sigma**2))
    return k / k.sum()


def blur(x, sigma, size=None):
    """Gaussian blur of B x C x H x W, edges repeated."""
    size = size or 2 * math.ceil(2.5 * sigma) + 1
    k, r, c = gauss(size, sigma), size // 2, x.shape[1]
    x = F.pad(x, [r, r, r, r], "replicate")
    x = F.conv2d(x, k.view(1, 1, 1, -1).expand(c, 1, 1, -1), groups=c)
    return F.conv2d(x, k.view(1, 1, -1, 1).expand(c, 1, -1, 1), groups=c)


def responses(x):
    """sobel_x, sobel_y and laplacian of every channel: B x 3C x H x W."""
    p = F.pad(x, [1] * 4, "replicate")
    smooth = p[:, :, :-2] + 2 * p[:, :, 1:-1] + p[:, :, 2:]
    slope = p[:, :, 2:] - p[:, :, :-2]
    sobel_x = smooth[..., 2:] - smooth[..., :-2]
    sobel_y = slope[..., :-2] + 2 * slope[..., 1:-1] + slope[..., 2:]
    laplacian = smooth[..., :-2] + 2 * smooth[..., 1:-1] + smooth[..., 2:] - 16 * x
    return torch.stack([sobel_x * SOBEL, sobel_y * SOBEL, laplacian * LAPLACIAN], 2).flatten(1, 2)


class Automaton(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w1 = torch.nn.Conv2d(4 * CHANNELS, HIDDEN, 1)
        self.w2 = torch.nn.Conv2d(HIDDEN, CHANNELS - FROZEN, 1)
        torch.nn.init.zeros_(self.w2.weight)
        torch.nn.init.zeros_(self.w2.bias)

    def forward(self, x):
        y = self.w2(torch.relu(self.w1(torch.cat([x, responses(x)], 1))))
        old = list(x.split(1, 1))
        for channel, (size, sigma) in BLURS.items():
            old[channel] = blur(old[channel], sigma, size)
        x = torch.cat(old, 1)
        return torch.cat([x[:, :FROZEN], x[:, FROZEN:] + y], 1)


def start(source):
    """source: B x 3 x H x W in [0, 1]."""
    noise = torch.rand(source.shape[0], CHANNELS - 6, *source.shape[2:]) - 0.5
    return torch.cat([source - 0.5, source - 0.5, noise], 1)


# --- what a drawing is ---------------------------------------------------------------------------


def ramp(x, low, high):
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def luma(rgb):
    return (rgb * LUMA.view(1, 3, 1, 1)).sum(1, keepdim=True)


def drawing(rgb):
    """What a drawing of the picture should be: 3 of colour, 1 of lines, 2 of hatching."""
    g = luma(rgb)
    around = blur(g, 5.0)
    fine = blur(g, 0.7)
    gx, gy, _ = responses(blur(g, 1.0)).split(1, 1)
    slope = torch.sqrt(gx**2 + gy**2 + 1e-8) / (around + 0.15)
    valley = (blur(g, 2.0) - fine) / (around + 0.15)
    lines = torch.maximum(ramp(slope, 0.05, 0.22) * 0.75, ramp(valley, 0.03, 0.16))
    lift = g**0.75  # shadows on paper are never as dark as those outside
    dark = 1 - blur(lift, 1.5)
    shade = 0.5 * ramp(dark, 0.2, 1.05)
    grey = 0.98 * (1 - shade) * (1 - 0.8 * lines)
    colour = blur(rgb - g, 1.0) * 0.22 * (1 - 0.6 * lines)
    rgb = grey * PAPER.view(1, 3, 1, 1) + colour
    free = 1 - blur(lines, 1.5).mul(2).clamp(0, 1)  # of lines
    dark = 1 - blur(lift, 3.0)
    hatching = torch.cat([ramp(dark, 0.32, 0.62), ramp(dark, 0.6, 0.9)], 1)
    return torch.cat([rgb, lines, hatching * STROKE, free], 1)


def strokes():
    """Filters that answer with 1 to full strokes of either direction and with quadrature ones."""
    r = 6
    y, x = torch.meshgrid(torch.arange(-r, r + 1.0), torch.arange(-r, r + 1.0), indexing="ij")
    window = torch.exp(-(x**2 + y**2) / (2 * 2.4**2))
    window = window / window.sum()
    filters = []
    for angle in (50, 130, 0, 90):
        a = math.radians(angle)
        phase = (x * math.cos(a) + y * math.sin(a)) * 2 * math.pi / PERIOD
        for f in (torch.cos(phase), torch.sin(phase)):
            f = f * window
            filters.append(2 * (f - window * f.sum()))
    return torch.stack(filters)[:, None]


STROKES = strokes()


def amplitudes(grey):
    """How strongly strokes of each direction show: B x 4 x H x W."""
    r = STROKES.shape[-1] // 2
    a = F.conv2d(F.pad(grey, [r] * 4, "replicate"), STROKES)
    energy = blur(a[:, 0::2] ** 2 + a[:, 1::2] ** 2, 1.5)
    return torch.sqrt(energy + 1e-6)


def loss_of(x, target, margin=6):
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    picture = x[:, 3:6] + 0.5
    rgb, lines, hatching, free = target.split([3, 1, 2, 1], 1)
    grey = luma(picture)
    sharp = ((picture - rgb) ** 2 * (0.05 + 2.0 * lines))[inner].mean()
    tone = ((blur(picture - rgb, 2.2)) ** 2)[inner].mean()
    tint = (((picture - grey) - (rgb - luma(rgb))) ** 2)[inner].mean()
    shown = amplitudes(grey)
    wanted = torch.cat([hatching, torch.zeros_like(hatching)], 1)
    weight = torch.tensor([1.0, 1.0, 0.4, 0.4]).view(1, 4, 1, 1)
    hatch = ((shown - wanted) ** 2 * weight * free)[inner].mean()
    overflow = (x - x.clamp(-1, 1)).abs().mean() + (picture - picture.clamp(0, 1)).abs().mean()
    return 3 * sharp + 8 * tone + 4 * tint + 25 * hatch + 2 * overflow


# --- training ------------------------------------------------------------------------------------


def load(folder):
    pictures = []
    for path in sorted(pathlib.Path(folder).iterdir()):
        if path.suffix.lower() not in {".png", ".jpg", ".jpeg", ".webp", ".bmp"}:
            continue
        picture = Image.open(path).convert("RGB")
        for longest in (1000, 480):
            scale = min(1, longest / max(picture.size))
            size = [round(s * scale) for s in picture.size]
            small = np.asarray(picture.resize(size, Image.LANCZOS), dtype=np.float32) / 255
            pictures.append(torch.tensor(small).permute(2, 0, 1)[None])
    for value in (0.0, 0.5, 1.0):  # what a black, grey or white screen looks like
        pictures.append(torch.full((1, 3, 300, 300), value))
    return pictures


class Shot:
    """A window that moves over a picture: 7 + 3 channels of target and source."""

    def __init__(self, scenes, rng, crop):
        self.scene = scenes[rng.integers(len(scenes))]
        self.crop, self.rng = crop, rng
        h, w = self.scene.shape[2:]
        self.at = np.array([rng.uniform(0, h - crop), rng.uniform(0, w - crop)])
        speed = rng.choice([0.0, 0.5, 1.5, 4.0])
        angle = rng.uniform(0, 2 * math.pi)
        self.velocity = speed * np.array([math.sin(angle), math.cos(angle)])
        self.flip = rng.random() < 0.5
        self.noise = rng.choice([0.0, 0.01, 0.03])

    def frame(self):
        h, w = self.scene.shape[2:]
        room = np.array([h, w]) - self.crop
        self.at += self.velocity
        for i in range(2):
            if not 0 <= self.at[i] <= room[i]:
                self.velocity[i] *= -1
                self.at[i] = min(max(self.at[i], 0), room[i])
        y, x = (int(round(v)) for v in self.at)
        cut = self.scene[..., y : y + self.crop, x : x + self.crop]
        cut = cut.flip(3)[:, [*range(4), 5, 4, *range(6, 10)]] if self.flip else cut
        source = cut[:, 7:]
        if self.noise:
            source = (source + self.noise * torch.randn_like(source)).clamp(0, 1)
        return source, cut[:, :7]


def train(args):
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    with torch.no_grad():
        scenes = [torch.cat([drawing(p), p], 1) for p in load(args.photos)]
    scenes = [s for s in scenes if min(s.shape[2:]) > args.crop]
    print(f"{len(scenes)} scenes")
    model = Automaton()
    if args.resume:
        from safetensors.torch import load_file

        model.load_state_dict(load_file(args.resume))
    optimizer = torch.optim.Adam(model.parameters(), lr=args.rate, betas=(0.9, 0.99))
    pool = []
    begun, i = time.time(), 0
    while (passed := (time.time() - begun) / 60) < args.minutes:
        for group in optimizer.param_groups:
            group["lr"] = args.rate * (0.5 + 0.5 * math.cos(math.pi * passed / args.minutes)) + 2e-5
        # Half of the batch goes on where it stopped, the other half starts anew.
        fresh = args.batch if len(pool) < args.batch else max(1, args.batch // 4)
        batch = [(Shot(scenes, rng, args.crop), None) for _ in range(fresh)]
        rng.shuffle(pool)
        batch += [pool.pop() for _ in range(args.batch - fresh)]
        shots = [shot for shot, _ in batch]
        frames = [shot.frame() for shot in shots]
        source, target = (torch.cat(parts) for parts in zip(*frames))
        seeds = start(source)
        x = torch.cat([seeds[j : j + 1] if s is None else s for j, (_, s) in enumerate(batch)])
        x = torch.cat([source - 0.5, x[:, 3:]], 1)
        # A fresh state gets its warm-up first, without gradients for the most of it.
        new = torch.tensor([s is None for _, s in batch])
        if fresh:
            y = x[new]
            with torch.no_grad():
                for _ in range(int(rng.integers(0, WARMUP - 8))):
                    y = model(y)
            x = x.clone()
            x[new] = y
        loss = 0.0
        shown = int(rng.integers(3, 7))
        for frame in range(shown):
            if frame:
                frames = [shot.frame() for shot in shots]
                source, target = (torch.cat(parts) for parts in zip(*frames))
                x = torch.cat([source - 0.5, x[:, 3:]], 1)
            before = x[:, 3:6]
            for _ in range(STEPS if frame else 6):
                x = model(x)
            if frame:
                still = torch.tensor([float(not s.velocity.any()) for s in shots]).view(-1, 1, 1, 1)
                loss = loss + 1.0 * (((x[:, 3:6] - before) ** 2) * still).mean()
            if frame >= shown - 2:
                loss = loss + loss_of(x, target)
        optimizer.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.grad /= p.grad.norm() + 1e-8
        optimizer.step()
        keep = x.detach()
        good = torch.isfinite(keep).flatten(1).all(1) & (keep.abs().flatten(1).max(1).values < 20)
        pool += [(shots[j], keep[j : j + 1]) for j in range(args.batch) if good[j]]
        pool = pool[-args.pool :]
        if i % 50 == 0:
            print(f"{passed:5.1f} min  {i:5d}  loss {loss.item():.5f}", flush=True)
        if i % 200 == 0:
            write(model, args.out)
        i += 1
    write(model, args.out)


def write(model, path):
    config = {
        "format": 1,
        "architecture": {
            "channels": CHANNELS,
            "source": "rgb",
            "hidden": [HIDDEN],
            "border": "replicate",
            "filter_scale": {"sobel": SOBEL, "laplacian": LAPLACIAN},
            "blurs": [{"channel": c, "size": n, "sigma": s} for c, (n, s) in BLURS.items()],
            "step_size": 1.0,
        },
        "playback": {"warmup": WARMUP, "steps": STEPS},
        "card": {
            "name": "sketch",
            "description": "A pencil drawing: lines, hatched shadows, a hint of the colours",
            "author": "The ncafilter authors",
            "license": "MIT OR Apache-2.0",
            "made-with": "models/make_sketch.py",
        },
    }
    tensors = {k: v.detach().contiguous() for k, v in model.state_dict().items()}
    temporary = str(path) + ".part"
    save_file(tensors, temporary, {"nca": json.dumps(config)})
    pathlib.Path(temporary).rename(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", required=True, help="folder of photographs")
    parser.add_argument("--out", required=True, help="the model file to write")
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate at the start")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--crop", type=int, default=112, help="pixels")
    parser.add_argument("--pool", type=int, default=96, help="states that are kept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", help="a model file to go on from")
    train(parser.parse_args())
