"""Writes tests/golden/painter: automata on cells, and what a painter makes of them, as PyTorch computes it.

    python tests/oracle/painter.py

An implementation of its own of what docs/model-files.md says of cells and painters, written for being
obviously right: places and areas in float64, a loop where a loop says what is meant. Needs torch, numpy
and safetensors.
"""

import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from goldens import SOBEL, frame, step

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "painter"


def cell_size(cell, stroke):
    """Pixels along each side of a cell."""
    return max(1.0, cell * float(np.float32(stroke)))


def cells_along(length, k):
    return math.ceil(length / k)


def areas(length, k):
    """n x length: how much of each pixel lies in each cell; the last pixel goes on beyond the edge."""
    n = cells_along(length, k)
    weights = torch.zeros(n, length, dtype=torch.float64)
    for i in range(n):
        for p in range(math.ceil((i + 1) * k)):
            shared = min((i + 1) * k, p + 1) - max(i * k, p)
            if shared > 0:
                weights[i, min(p, length - 1)] += shared / k
    return weights


def coarse(picture, k):
    """Area-weighted means of a picture, C x H x W, over the cells."""
    rows, columns = areas(picture.shape[1], k), areas(picture.shape[2], k)
    return torch.einsum("iy,cyx,jx->cij", rows, picture.double(), columns)


def structure(picture, k):
    """What edges do in the cells: twice their direction as cosine and sine, and how strong they are."""
    grey = picture.double().mean(0)[None, None] * 4
    sobel = torch.stack([SOBEL, SOBEL.T]).double()[:, None] / 8
    gx, gy = F.conv2d(F.pad(grey, [1] * 4, "replicate"), sobel)[0]
    j = coarse(torch.stack([gx * gx - gy * gy, 2 * gx * gy, gx * gx + gy * gy]), k)
    j = F.avg_pool2d(F.pad(j[None], [1] * 4, "replicate"), 3, 1)[0]
    direction = j[:2] / (j[2:] + 2e-3) * 0.5
    strength = j[2:].clamp_min(1e-8).sqrt().clamp(max=1) - 0.5
    return torch.cat([direction, strength])


def source(picture, k, kind):
    parts = [coarse(picture, k) - 0.5] + ([structure(picture, k)] if kind == "rgb-structure-tensor" else [])
    return torch.cat(parts).float()


def bilinear(grid, v, u):
    """C x H x W values of a grid, C x n x m, at the places v, u (H x W), clamped to its cells."""
    n, m = grid.shape[1:]
    v, u = v.clamp(0, n - 1), u.clamp(0, m - 1)
    top, left = v.floor().long().clamp(max=max(n - 2, 0)), u.floor().long().clamp(max=max(m - 2, 0))
    bottom, right = (top + 1).clamp(max=n - 1), (left + 1).clamp(max=m - 1)
    b, r = v - top, u - left
    grid = grid.double()
    above = grid[:, top, left] * (1 - r) + grid[:, top, right] * r
    below = grid[:, bottom, left] * (1 - r) + grid[:, bottom, right] * r
    return above * (1 - b) + below * b


def paint(picture, state, k, frozen, w):
    """The picture that is shown, 3 x H x W, not clamped."""
    h, wd = picture.shape[1:]
    n, m = state.shape[1:]
    v = ((torch.arange(h, dtype=torch.float64) + 0.5) / k - 0.5).clamp(0, n - 1)[:, None].expand(h, wd)
    u = ((torch.arange(wd, dtype=torch.float64) + 0.5) / k - 0.5).clamp(0, m - 1)[None].expand(h, wd)
    sampled = bilinear(state[frozen:], v, u)
    film = picture.double() - 0.5
    detail = 2 * (film - bilinear(state[:3], v, u))
    y = torch.cat([sampled, film, detail])[None]
    count = sum(name.startswith("p") and name.endswith("weight") for name in w)
    for i in range(1, count + 1):
        y = F.conv2d(y, w[f"p{i}.weight"].double(), w[f"p{i}.bias"].double())
        if i < count:
            y = F.leaky_relu(y, 0.1)
    return y[0] + sampled[:3] + 0.5


def cubic(distance, slope=-0.6):
    """How much a cell so far away weighs (Keys, 1981)."""
    d = abs(distance)
    if d <= 1:
        return (slope + 2) * d**3 - (slope + 3) * d**2 + 1
    return slope * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def moved(state, motion, border, frozen):
    """The state after the picture's content came from `motion` (dy, dx in cells) away: sampled there. Beyond
    the edge the nearest cell is repeated; across, circular states wrap."""
    n, m = state.shape[1:]
    out = state.clone()
    for y in range(n):
        for x in range(m):
            # No further out than a cell.
            v = min(max(y + motion[0], -1.0), float(n))
            u = min(max(x + motion[1], -1.0), float(m))
            total = torch.zeros(len(state) - frozen, dtype=torch.float64)
            for row in range(math.floor(v) - 1, math.floor(v) + 3):
                for column in range(math.floor(u) - 1, math.floor(u) + 3):
                    weight = cubic(v - row) * cubic(u - column)
                    i = min(max(row, 0), n - 1)
                    j = column % m if border == "circular" else min(max(column, 0), m - 1)
                    total += weight * state[frozen:, i, j].double()
            out[frozen:, y, x] = total.float()
    return out


def values(frame):
    return frame.permute(2, 0, 1).float() / 255


def shown(picture):
    return (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0)


def golden(name, case, a, w, stroke, width, height, pan):
    """All states are whole: the frozen channels of the frame, then the others."""
    torch.manual_seed(len(case))
    k = cell_size(a["cell"], stroke)
    frames = [frame(height, width, phase) for phase in (0.0, 1.0, 2.0)]
    frozen = 6 if a["source"] == "rgb-structure-tensor" else 3
    s = source(values(frames[0]), k, a["source"])
    x = torch.cat([s, s[:3], torch.rand(a["channels"] - frozen - 3, *s.shape[1:]) - 0.5])
    out = {"stroke": torch.tensor([stroke]), "pan": torch.tensor(pan, dtype=torch.float32), "state0": x}
    out |= {f"frame{i}": f for i, f in enumerate(frames)}

    def look(key, frame):
        picture = paint(values(frame), x, k, frozen, w)
        assert x.abs().max() < 10, f"{name}.{case} does not stay bounded: {x.abs().max()}"
        out[key] = shown(picture)

    def steps(x, count):
        with torch.no_grad():
            for _ in range(count):
                x = step(x[None], a, w)[0]
        return x

    look("rgb0", frames[0])
    x = out["state1"] = steps(x, 1)
    x = out["state32"] = steps(x, 31)
    look("rgb32", frames[0])
    # The picture moves and the state with it; then it takes two steps, and a frame without any.
    motion = [d / k for d in pan]
    x = moved(x, motion, a["border"], frozen)
    x = torch.cat([source(values(frames[1]), k, a["source"]), x[frozen:]])
    out["moved"] = x
    look("rgb-moved", frames[1])
    x = steps(x, 2)
    x = moved(x, motion, a["border"], frozen)
    x = torch.cat([source(values(frames[2]), k, a["source"]), x[frozen:]])
    out["skipped"] = x
    look("rgb-skipped", frames[2])
    kept = {key: value.contiguous() for key, value in out.items()}
    save_file(kept, GOLDEN / f"{name}.{case}.golden.safetensors")


def random_weights(a, frozen, seed):
    torch.manual_seed(seed)
    updated = a["channels"] - frozen
    w = {}
    shapes = [4 * a["channels"], *a["hidden"], updated]
    for i, (n, m) in enumerate(zip(shapes, shapes[1:]), 1):
        w[f"w{i}.weight"] = torch.randn(m, n, 1, 1) * 0.5 / n**0.5
        w[f"w{i}.bias"] = torch.randn(m) * 0.05
    # Small enough that the state stays in bounds.
    w[f"w{i}.weight"] *= 0.08
    w[f"w{i}.bias"] *= 0.08
    shapes = [updated + 6, *a["painter"]["hidden"], 3]
    for i, (n, m) in enumerate(zip(shapes, shapes[1:]), 1):
        w[f"p{i}.weight"] = torch.randn(m, n, 1, 1) * 1.2 / n**0.5
        w[f"p{i}.bias"] = torch.randn(m) * 0.1
    w[f"p{i}.weight"] *= 0.6
    return w


def architecture(cell, kind, channels, hidden, painter, border):
    return {
        "channels": channels,
        "source": kind,
        "hidden": hidden,
        "border": border,
        "filter_scale": {"sobel": 0.125, "laplacian": 0.0625},
        "cell": cell,
        "painter": {"hidden": painter},
    }


MODELS = {
    "cells-1": architecture(1, "rgb", 9, [14], [12], "replicate"),
    "cells-2": architecture(2, "rgb-structure-tensor", 14, [16], [16, 13], "replicate"),
    "cells-4": architecture(4, "rgb-structure-tensor", 15, [20, 12], [24, 16], "circular"),
    "cells-8": architecture(8, "rgb", 12, [16], [17], "circular"),
}
# Model, case, stroke, width and height, and the place that the picture came from, in pixels along y and x.
CASES = [
    ("cells-1", "plain", 1.0, 23, 17, (0.6, -2.2)),
    ("cells-2", "plain", 1.0, 33, 27, (1.5, -0.7)),
    ("cells-2", "even", 1.0, 32, 24, (-2.0, 4.0)),
    ("cells-2", "half", 0.5, 13, 14, (0.3, 0.3)),
    ("cells-2", "narrow", 0.7, 19, 16, (-1.2, 0.9)),
    ("cells-2", "wide", 1.3, 31, 26, (2.9, 1.1)),
    ("cells-2", "wider", 2.35, 40, 33, (-3.1, 2.6)),
    ("cells-4", "plain", 1.0, 50, 38, (1.7, -5.3)),
    ("cells-4", "widest", 4.0, 70, 41, (9.0, -5.0)),
    ("cells-4", "pixel", 1.0, 1, 1, (0.0, 0.0)),
    ("cells-8", "plain", 1.0, 61, 45, (-3.0, 2.5)),
    ("cells-8", "narrow", 0.55, 61, 45, (4.4, 1.0)),
]


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    weights = {}
    for seed, (name, a) in enumerate(MODELS.items()):
        w = weights[name] = random_weights(a, 6 if a["source"] == "rgb-structure-tensor" else 3, seed)
        config = json.dumps({"format": 2, "architecture": a})
        save_file(w, GOLDEN / f"{name}.safetensors", {"nca": config})
        if name == "cells-4":
            torch.save({"config": config, **w}, GOLDEN / f"{name}.pt")
    for name, case, *rest in CASES:
        a = MODELS[name] | {"blurs": [], "step_size": 1.0}
        golden(name, case, a, weights[name], *rest)


if __name__ == "__main__":
    main()
