"""Writes the golden states under tests/golden: what PyTorch computes, for the tests to compare.

    python tests/oracle/goldens.py

An implementation of its own, written for being obviously right. Needs torch, numpy and safetensors.
"""

import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE.parent / "golden"
MODELS = HERE.parent.parent / "models"

SOBEL = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
LAPLACIAN = torch.tensor([[1.0, 2, 1], [2, -12, 2], [1, 2, 1]])

PUBLISHED = {
    "channels": 18,
    "source": "shift-shuffle",
    "hidden": [90, 90],
    "border": "circular",
    "filter_scale": {"sobel": 1.0, "laplacian": 1.0},
    "blurs": [],
    "step_size": 1.0,
}
NOTEBOOK = PUBLISHED | {
    "source": "rgb",
    "blurs": [{"channel": c, "size": n, "sigma": 2.0} for c, n in ((16, 3), (15, 7), (14, 15))],
}
# Everything that the others leave at its default.
UNUSUAL = {
    "channels": 11,
    "source": "rgb",
    "hidden": [17, 40, 23],
    "border": "replicate",
    "filter_scale": {"sobel": 0.3, "laplacian": 0.07},
    "blurs": [{"channel": 7, "size": 9, "sigma": 1.3}],
    "step_size": 0.4,
}


def pad(x, n, border):
    mode = {"circular": "circular", "replicate": "replicate"}[border]
    return F.pad(x, [n] * 4, mode)


def blurred(x, size, sigma, border):
    a = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    k = torch.exp(-(a**2) / (2 * sigma**2))
    k = (k[:, None] * k[None]) / k.sum() ** 2
    return F.conv2d(pad(x, size // 2, border), k.float()[None, None])


def step(x, a, w):
    c, h, wd = x.shape[1:]
    scale = a["filter_scale"]
    filters = torch.stack([SOBEL * scale["sobel"], SOBEL.T * scale["sobel"], LAPLACIAN * scale["laplacian"]])
    responses = F.conv2d(pad(x.transpose(0, 1), 1, a["border"]), filters[:, None])
    y = torch.cat([x, responses.reshape(1, 3 * c, h, wd)], 1)
    layers = len(a["hidden"]) + 1
    for i in range(1, layers + 1):
        y = F.conv2d(y, w[f"w{i}.weight"], w.get(f"w{i}.bias"))
        if i < layers:
            y = torch.relu(y)
    frozen = c - y.shape[1]
    base = x.clone()
    for b in a["blurs"]:
        at = slice(b["channel"], b["channel"] + 1)
        base[:, at] = blurred(x[:, at], b["size"], b["sigma"], a["border"])
    base[:, frozen:] += a["step_size"] * y
    return base


def shift_shuffle(rgb):
    """B x 3 x H x W in [0, 1] to B x 6 x H x W."""
    h, w = rgb.shape[2:]
    rgb = F.pad(rgb, [0, w % 2, 0, h % 2], "replicate")
    g = 0.2989 * rgb[:, 0:1] + 0.587 * rgb[:, 1:2] + 0.114 * rgb[:, 2:3]
    out = []
    for c in (2, 3, 4):
        rolls = [(-c, 0), (0, -c), (c, 0), (0, c), (c, c), (-c, c), (-c, -c), (c, -c)]
        halves = [F.interpolate(torch.roll(g, r, (2, 3)), scale_factor=0.5, mode="bilinear") for r in rolls]
        out.append(F.pixel_shuffle(torch.cat(halves, 1), 2))
    return torch.cat(out, 1)[..., :h, :w]


def source(frame, a):
    rgb = frame.permute(2, 0, 1)[None].float() / 255
    parts = [rgb] + ([shift_shuffle(rgb)] if a["source"] == "shift-shuffle" else [])
    return torch.cat(parts, 1) - 0.5


def frame(height, width, phase):
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = [torch.sin(x * 0.31 * (1 + c * 0.2) + phase) + torch.cos(y * 0.23 - x * 0.05 * c) for c in range(3)]
    noise = torch.rand(height, width, 3) * 60
    return (torch.stack(waves, -1) * 48 + 100 + noise).clamp(0, 255).byte()


def golden(name, a, w, height, width):
    torch.manual_seed(len(name))
    frames = [frame(height, width, 0.0), frame(height, width, 1.0)]
    s = source(frames[0], a)
    f = s.shape[1]
    hidden = torch.rand(1, a["channels"] - f - 3, height, width) - 0.5
    x = torch.cat([s, s[:, :3], hidden], 1)
    out = {"frame0": frames[0], "frame1": frames[1], "state0": x[0]}
    with torch.no_grad():
        for i in range(1, 33):
            x = step(x, a, w)
            if i in (1, 8, 32):
                out[f"state{i}"] = x[0]
        x = torch.cat([source(frames[1], a), x[:, f:]], 1)
        out["carried0"] = x[0]
        for _ in range(8):
            x = step(x, a, w)
    out["carried8"] = x[0]
    rgb = (x[0, f : f + 3] + 0.5).clamp(0, 1) * 255
    out["rgb"] = rgb.round().byte().permute(1, 2, 0)
    assert x.abs().max() < 10, f"{name} does not stay bounded: {x.abs().max()}"
    save_file({k: v.contiguous() for k, v in out.items()}, GOLDEN / f"{name}.golden.safetensors")


def random_weights(a, frozen, size):
    torch.manual_seed(3)
    shapes = [4 * a["channels"], *a["hidden"], a["channels"] - frozen]
    w = {}
    for i, (n, m) in enumerate(zip(shapes, shapes[1:]), 1):
        w[f"w{i}.weight"] = torch.randn(m, n, 1, 1) * size / n**0.5
        w[f"w{i}.bias"] = torch.randn(m) * 0.05
    # Small enough that the state stays in bounds.
    w[f"w{i}.weight"] *= 0.08
    w[f"w{i}.bias"] *= 0.08
    return w


def main():
    GOLDEN.mkdir(exist_ok=True)
    # Without a description: told by the shapes.
    for name, a, frozen in (("published", PUBLISHED, 9), ("notebook", NOTEBOOK, 3)):
        w = random_weights(a, frozen, 0.35)
        save_file(w, GOLDEN / f"{name}.safetensors")
        torch.save(w, GOLDEN / f"{name}.pt")
        golden(name, a, w, 27, 33)
    w = random_weights(UNUSUAL, 3, 0.5)
    config = {"format": 1, "architecture": UNUSUAL}
    save_file(w, GOLDEN / "unusual.safetensors", {"nca": json.dumps(config)})
    torch.save({"config": json.dumps(config), **w}, GOLDEN / "unusual.pt")
    golden("unusual", UNUSUAL, w, 21, 19)
    with safe_open(MODELS / "sketch.safetensors", "pt") as file:
        a = json.loads(file.metadata()["nca"])["architecture"]
        w = {k: file.get_tensor(k) for k in file.keys()}
    golden("sketch", a, w, 37, 45)


if __name__ == "__main__":
    main()
