"""How models look, measured by a network that none of them was trained with: torchvision's
SqueezeNet 1.1 (Iandola et al. 2016).

    python tests/oracle/judge.py SQUEEZENET.safetensors STYLE PHOTOS MODEL... [--sheet OUT.jpg]

Prints for each model, as the mean over the photos,
- style: distance of Gram matrices from those of the style picture, at four depths, relative to them;
- content: distance of features from those of the photo, at the same place, relative to them;
- E1, E10: root mean square of what changes 1 and 10 frames on beyond a pan of (2.5, 0.75) pixels a
  frame, exactly known, along which the state is moved bicubically;
- still: E10 of a still;
- detail: what a 5x5 mean takes away, at the end of the pan against that of a still.
Rows "photo" and "photo, recoloured" (its colours' quantiles are those of the style) say what to compare
with. Needs torch, numpy, safetensors and Pillow.
"""

import argparse
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from goldens import step
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
TAPS, DEEP = (1, 4, 7, 10), 7
POOLED = (3, 6, 9)  # before these modules
FRAMES, SIZE, MARGIN = 30, 144, 12
PAN, STILL = (2.5, 0.75), (0.0, 0.0)


def features(w, pictures):
    x = (pictures - MEAN) / DEVIATION
    x = torch.relu(F.conv2d(x, w["features.0.weight"], w["features.0.bias"], stride=2))
    out = {1: x}
    for i in (3, 4, 6, 7, 9, 10):
        if i in POOLED:
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)

        def conv(x, part, padding=0):
            name = f"features.{i}.{part}"
            return torch.relu(F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=padding))

        x = conv(x, "squeeze")
        x = torch.cat((conv(x, "expand1x1"), conv(x, "expand3x3", 1)), 1)
        out[i] = x
    return {i: out[i] for i in TAPS}


def gram(x):
    x = x[0].flatten(1)
    return x @ x.T / x.shape[1]


def relative(a, b):
    return float((a - b).square().sum() / b.square().sum())


def read(path, longest):
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((longest, longest), Image.LANCZOS)
    return torch.tensor(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def recoloured(photo, style):
    out = torch.empty_like(photo)
    for c in range(3):
        order = photo[0, c].flatten().argsort()
        values = style[0, c].flatten().sort()[0][None, None]
        values = F.interpolate(values, size=order.numel(), mode="linear")[0, 0]
        out[0, c].view(-1)[order] = values
    return out


class Model:
    def __init__(self, path):
        if path.suffix == ".pt":
            self.weights = torch.load(path, weights_only=True)
            description = json.loads(self.weights.pop("config"))
        else:
            self.weights = load_file(path)
            description = json.loads(safe_open(path, "pt").metadata()["nca"])
        self.architecture, playback = description["architecture"], description["playback"]
        assert self.architecture["source"] == "rgb", "only models that look at RGB"
        self.warmup, self.steps = playback["warmup"], playback["steps"]

    def start(self, frame):
        noise = torch.rand(1, self.architecture["channels"] - 6, *frame.shape[2:])
        return torch.cat((frame - 0.5, frame - 0.5, noise - 0.5), 1)

    def run(self, state, frame, steps):
        state = torch.cat((frame - 0.5, state[:, 3:]), 1)
        for _ in range(steps):
            state = step(state, self.architecture, self.weights)
        return state


def shown(state):
    return (state[:, 3:6] + 0.5).clamp(0, 1)


def places():
    at = torch.arange(SIZE) - (SIZE - 1) / 2
    y, x = torch.meshgrid(at, at, indexing="ij")
    return torch.stack((x, y), -1)


def sample(picture, at):
    """At places counted from the middle, bicubically."""
    half = torch.tensor([picture.shape[3] / 2, picture.shape[2] / 2])
    return F.grid_sample(picture, (at / half)[None], "bicubic", "border", align_corners=False)


def fine(x):
    return float((x - F.avg_pool2d(F.pad(x, [2] * 4, "replicate"), 5, 1)).square().mean().sqrt())


def clip(model, photo, pan):
    """The pictures that are shown of a camera that pans over a photo."""
    pan = torch.tensor(pan)
    pictures, state = [], None
    for t in range(FRAMES):
        frame = sample(photo, places() + pan * (t - FRAMES / 2)).clamp(0, 1)
        if state is None:
            state = model.run(model.start(frame), frame, model.warmup)
        else:
            back = places() + pan
            fresh = model.start(frame)
            moved = sample(state, back)
            inside = (back.abs() <= (SIZE - 1) / 2).all(-1)[None, None]
            state = model.run(torch.where(inside, moved, fresh), frame, model.steps)
        pictures.append(shown(state))
    return pictures


def unsteadiness(pictures, pan, k):
    q = places() - torch.tensor(pan) * k
    inner = ((q.abs() <= (SIZE - 1) / 2 - MARGIN) & (places().abs() <= (SIZE - 1) / 2 - MARGIN)).all(-1)
    errors = []
    for t in range(8, FRAMES - k):
        error = (sample(pictures[t + k], q) - pictures[t]).square().mean(1)[0]
        errors.append(error[inner].mean())
    return float(torch.stack(errors).mean().sqrt())


def measure(model, photos, style, w):
    wanted = {i: gram(x) for i, x in features(w, style).items()}
    sums, row = np.zeros(6), []
    for photo in photos:
        state = model.run(model.start(photo), photo, model.warmup)
        picture = shown(model.run(state, photo, 2 * model.steps))
        found, source = features(w, picture), features(w, photo)
        moved, still = clip(model, photo, PAN), clip(model, photo, STILL)
        sums += [
            np.mean([relative(gram(found[i]), wanted[i]) for i in TAPS]),
            relative(found[DEEP], source[DEEP]),
            unsteadiness(moved, PAN, 1),
            unsteadiness(moved, PAN, 10),
            unsteadiness(still, STILL, 10),
            fine(moved[-1]) / fine(still[-1]),
        ]
        row.append(picture)
    return sums / len(photos), row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network", type=pathlib.Path)
    parser.add_argument("style", type=pathlib.Path)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--style-size", type=int, default=288)
    parser.add_argument("--size", type=int, default=384, help="longest side of the photos")
    parser.add_argument("--every", type=int, default=6, help="every so many photos, from that one on")
    parser.add_argument("--sheet", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    w, style = load_file(args.network), read(args.style, args.style_size)
    files = sorted(p for p in args.photos.iterdir() if p.suffix in (".png", ".jpg"))
    photos = [read(p, args.size) for p in files[args.every :: args.every][:3]]
    wanted = {i: gram(x) for i, x in features(w, style).items()}
    print(f"{'':28}   style content      E1     E10   still  detail")
    recolour = [recoloured(photo, style) for photo in photos]
    for name, pictures in (("photo", photos), ("photo, recoloured", recolour)):
        pairs = [(features(w, a), features(w, b)) for a, b in zip(pictures, photos)]
        distance = np.mean([relative(gram(a[i]), wanted[i]) for a, _ in pairs for i in TAPS])
        content = np.mean([relative(a[DEEP], b[DEEP]) for a, b in pairs])
        print(f"{name:28} {distance:7.3f} {content:7.3f}")
    columns = [photos]
    for path in args.models:
        numbers, column = measure(Model(path), photos, style, w)
        print(f"{path.stem[-28:]:28} " + " ".join(f"{n:7.3f}" for n in numbers), flush=True)
        columns.append(column)
    if args.sheet:
        rows = [torch.cat(row, 3) for row in zip(*columns)]
        width = max(row.shape[3] for row in rows)
        sheet = torch.cat([F.pad(row, (0, width - row.shape[3])) for row in rows], 2)
        pixels = (sheet[0].permute(1, 2, 0) * 255).round().byte().numpy()
        Image.fromarray(pixels).save(args.sheet, quality=88)


if __name__ == "__main__":
    main()
