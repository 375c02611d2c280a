"""Writes tests/golden/training.safetensors and vgg.safetensors: what PyTorch computes of losses,
features and a whole iteration of the notebooks' recipe, for the tests to compare.

    python tests/oracle/training.py

An implementation of its own, written for being obviously right: torch differentiates the whole
rollout, nothing is fused or computed again. Needs torch, numpy and safetensors.
"""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from goldens import NOTEBOOK, random_weights, step
from safetensors.torch import load_file, save_file

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
# torchvision's vgg19().features: widths divided by 16, M is pooling.
LAYOUT = [4, 4, "M", 8, 8, "M", 16, 16, 16, 16, "M", 32, 32, 32, 32, "M", 32]
STYLE = {1: 256, 6: 64, 11: 16, 20: 4, 29: 1}
CONTENT = 22


def vgg(weights):
    """torchvision's nn.Sequential, with these weights."""
    layers, inputs = [], 3
    for width in LAYOUT:
        if width == "M":
            layers.append(torch.nn.MaxPool2d(2))
        else:
            layers += [torch.nn.Conv2d(inputs, width, 3, padding=1), torch.nn.ReLU()]
            inputs = width
    network = torch.nn.Sequential(*layers).requires_grad_(False)
    if weights is not None:
        network.load_state_dict({k.removeprefix("features."): v for k, v in weights.items()})
    return network


def features(network, pictures, taps):
    x, out = (pictures - MEAN) / DEVIATION, {}
    for i, layer in enumerate(network):
        x = layer(x)
        if i in taps:
            out[i] = x.clone()
    return out


def gram(x):
    return torch.einsum("bchw,bdhw->bcd", x, x) / (x.shape[2] * x.shape[3])


def histogram(pictures, h=256, side=64, sigma=0.02, eps=1e-6):
    """RGB-uv histogram of HistoGAN, picture by picture."""
    x = pictures.clamp(0, 1)
    if x.shape[2] > side or x.shape[3] > side:
        x = F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
    bins = torch.tensor(np.linspace(-3, 3, num=h))[None]
    out = []
    for picture in x:
        i = picture.reshape(3, -1).T
        intensity = (i[:, 0] ** 2 + i[:, 1] ** 2 + i[:, 2] ** 2 + eps).sqrt()[:, None]
        planes = []
        for of, u, v in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):

            def near(to):
                ratio = torch.log(i[:, of] + eps) - torch.log(i[:, to] + eps)
                return (1 / (1 + (ratio[:, None] - bins) ** 2 / sigma**2)).float()

            planes.append((intensity * near(u)).T @ near(v))
        out.append(torch.stack(planes))
    out = torch.stack(out)
    return out / (out.sum((1, 2, 3), keepdim=True) + eps)


def hellinger(found, wanted):
    return ((wanted.sqrt() - found.sqrt()) ** 2).sum().sqrt() / np.sqrt(2.0) / found.shape[0]


def sliced_wasserstein(found, wanted, directions):
    """B x C x H x W against 1 x C x H x W, along given directions; all places."""
    directions = directions / directions.norm(dim=1, keepdim=True)
    a = torch.einsum("pc,bcn->bpn", directions, found.flatten(2)).sort(-1).values
    b = torch.einsum("pc,bcn->bpn", directions, wanted.flatten(2)).sort(-1).values
    if a.shape[-1] != b.shape[-1]:
        b = F.interpolate(b, size=a.shape[-1], mode="linear", align_corners=False)
    return ((a - b) ** 2).mean() / (wanted**2).mean()


def with_gradient(loss, x):
    x = x.detach().requires_grad_()
    value = loss(x)
    value.backward()
    return value.detach().reshape(1), x.grad


def main():
    torch.manual_seed(11)
    out = {}
    network = vgg(None)
    for layer in network:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
            torch.nn.init.normal_(layer.bias, std=0.05)
    weights = {f"features.{k}": v.contiguous() for k, v in network.state_dict().items()}
    save_file(weights, GOLDEN / "vgg.safetensors")
    network = vgg(load_file(GOLDEN / "vgg.safetensors"))

    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(36.0), indexing="ij")
    wave = lambda c, p: 0.5 + 0.3 * torch.sin(x * 0.3 * (1 + c * 0.3) + p) * torch.cos(y * 0.2 + p)
    style = torch.stack([wave(c, 2.0) for c in range(3)])[None].clamp(0, 1)
    style = (style + 0.1 * torch.randn_like(style)).clamp(0, 1)
    pictures = torch.stack([torch.stack([wave(c, p) for c in range(3)]) for p in (0.0, 1.0)])[..., :32, :32]
    pictures = (pictures + 0.05 * torch.randn_like(pictures)).contiguous()
    out |= {"style": style, "pictures": pictures}

    for layer, values in features(network, pictures, [*STYLE, CONTENT]).items():
        out[f"features.{layer}"] = values
    wanted = {k: gram(v) for k, v in features(network, style, STYLE).items()}

    def style_loss(p):
        found = features(network, p, STYLE)
        return sum(
            (gram(found[k]) - wanted[k]).square().mean() * w / sum(STYLE.values()) for k, w in STYLE.items()
        )

    out["gram"], out["gram.gradient"] = with_gradient(style_loss, pictures)
    big = F.interpolate(pictures, size=(80, 70), mode="bilinear", align_corners=False)
    colour_loss = lambda p: hellinger(histogram(p), histogram(style))
    out["histogram"], out["histogram.gradient"] = with_gradient(colour_loss, pictures)
    out["big"] = big
    out["histogram.big"] = colour_loss(big).reshape(1)

    # The generator of this version of libtorch is the same in all languages.
    torch.manual_seed(5)
    directions = torch.randn(16, 3)
    loss = lambda p: sliced_wasserstein(p, style, directions)
    out["wasserstein"], out["wasserstein.gradient"] = with_gradient(loss, pictures)

    # One iteration.
    w = {k: v.requires_grad_() for k, v in random_weights(NOTEBOOK, 3, 0.35).items()}
    state = torch.rand(2, 18, 32, 32) - 0.5
    state[:, :3] = state[:, 3:6] = pictures.clamp(0, 1) - 0.5
    state[:, 10] *= 3  # overflows
    optimizer = torch.optim.Adam(w.values(), 1e-3)
    end = state
    for _ in range(7):
        end = step_of(end, w)
    shown = end[:, 3:6] + 0.5
    with torch.no_grad():
        targets = gram(features(network, state[:, :3] + 0.5, [CONTENT])[CONTENT])
    content = (gram(features(network, shown, [CONTENT])[CONTENT])[0] - targets).square().mean()
    terms = {
        "style": style_loss(shown) * 0.4,
        "content": content,
        "colour": colour_loss(shown) * 2,
        "overflow": (end - end.clamp(-1, 1)).abs().sum(),
    }
    sum(terms.values()).backward()
    for name, value in w.items():
        out[f"gradient.{name}"] = value.grad.clone()
        value.grad /= value.grad.norm() + 1e-8
    out |= {f"start.{k}": v.detach().clone() for k, v in w.items()}
    optimizer.step()
    out |= {f"updated.{k}": v.detach().clone() for k, v in w.items()}
    out |= {f"loss.{k}": v.detach().reshape(1) for k, v in terms.items()}
    out |= {"state": state, "end": end.detach()}
    save_file({k: v.detach().contiguous() for k, v in out.items()}, GOLDEN / "training.safetensors")


def step_of(x, w):
    """A batch: the oracle's step takes one state at a time."""
    return torch.cat([step(one[None], NOTEBOOK, w) for one in x])


if __name__ == "__main__":
    main()
