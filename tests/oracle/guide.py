"""Writes tests/golden/guide.safetensors: how far PyTorch finds pictures from sentences, a picture and a
good mark in CLIP's space, as the published notebooks measure it, for the tests to compare.

    python tests/oracle/guide.py

Takes the places that tests/oracle/clip.py wrote. Needs torch and safetensors.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
WEIGHTS = (1.0, 0.5, -0.25)  # of the first three sentences


def spherical(a, b):
    a, b = F.normalize(a[:, None], dim=2), F.normalize(b[None], dim=2)
    return a.sub(b).norm(dim=2).div(2).arcsin().pow(2).mul(2)


def main():
    torch.manual_seed(3)
    golden = load_file(GOLDEN / "clip" / "places.safetensors")
    places = golden["picture_places"].requires_grad_()
    prompt = sum(
        weight * spherical(places, golden[f"sentence_places.{i}"]).mean() for i, weight in enumerate(WEIGHTS)
    )
    prompt = 100 * prompt
    prompt_gradient = torch.autograd.grad(prompt, places)[0]
    head = torch.nn.Linear(places.shape[1], 1)
    aesthetic = 0.5 * F.mse_loss(head(F.normalize(places, dim=1)), torch.full((len(places), 1), 9.9))
    aesthetic_gradient = torch.autograd.grad(aesthetic, places)[0]
    out = {
        "weight": head.weight,
        "bias": head.bias,
        "prompt": prompt,
        "prompt.gradient": prompt_gradient,
        "aesthetic": aesthetic,
        "aesthetic.gradient": aesthetic_gradient,
    }
    save_file({k: v.detach().clone().contiguous() for k, v in out.items()}, GOLDEN / "guide.safetensors")


if __name__ == "__main__":
    main()
