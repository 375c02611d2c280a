"""Prints how far PyTorch's bf16 autocast is from f32, for tests/goldens.rs to compare with.

    python tests/oracle/autocast.py FOLDER

FOLDER holds published checkpoints, NAME.pt with NAME.golden.safetensors. Prints, for the states after
1, 8 and 32 steps, the root of the mean square error of all updated channels.
"""

import pathlib
import sys

import torch
from safetensors.torch import load_file

import goldens


class CA(torch.nn.Module):
    """What the checkpoints are pickled as; only its layers are used."""


def main(folder):
    sys.modules["__main__"].CA = CA
    for golden in sorted(pathlib.Path(folder).glob("*.golden.safetensors")):
        checkpoint = golden.with_name(golden.name.replace(".golden.safetensors", ".pt"))
        if not checkpoint.exists():
            continue
        states = load_file(golden)
        module = torch.load(checkpoint, map_location="cpu", weights_only=False)
        w = {k: v for k, v in module.state_dict().items() if k[0] == "w"}
        a = goldens.PUBLISHED
        x = states["state0"][None]
        errors = []
        with torch.no_grad():
            for i in range(1, 33):
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    x = goldens.step(x, a, w).float()
                if i in (1, 8, 32):
                    off = (x[0] - states[f"state{i}"])[9:]
                    errors.append(off.pow(2).mean().sqrt().item())
        print(checkpoint.stem, *(f"{e:.2e}" for e in errors))


if __name__ == "__main__":
    main(*sys.argv[1:])
