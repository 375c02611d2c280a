"""Writes a model file of the weights of a trial of cells and a painter.

    python tests/oracle/trial.py TRIAL.safetensors MODEL.safetensors

Takes the layouts of models/unfinished (`rule0.weight`, `painter0.weight`) and of the first prototype (`l0w`,
with a JSON file beside it). What the cells' size is and how many tensors are the rule's is told by the
shapes: both trials had six frozen channels, and cells of 2x2 where the painter is 32 wide, of 4x4 elsewhere.
Where the painter was given coordinates within a cell, which no model has, they are left out: over a cell
their mean is 0. Needs torch and safetensors.
"""

import json
import pathlib
import sys

from safetensors.torch import load_file, save_file

FROZEN = 6
OF_FRAME = 6


def layers(tensors):
    """Weights and biases of all layers, the rule's first."""
    if "rule0.weight" in tensors:
        names = [f"{part}{i}" for part in ("rule", "painter") for i in range(8) if f"{part}{i}.weight" in tensors]
        pairs = [(tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for name in names]
    else:
        pairs = [(tensors[f"l{i}w"], tensors[f"l{i}b"]) for i in range(len(tensors) // 2)]
    return [(weight.flatten(1), bias) for weight, bias in pairs]


def main():
    trial, out = map(pathlib.Path, sys.argv[1:])
    found = layers(load_file(trial))
    channels = found[0][0].shape[1] // 4
    updated = channels - FROZEN
    rule = 1 + next(i for i, (weight, _) in enumerate(found) if weight.shape[0] == updated)
    rule, painter = found[:rule], found[rule:]
    first, bias = painter[0]
    if first.shape[1] > updated + OF_FRAME:
        print(f"{trial.name}: the painter's coordinates within a cell are left out")
        painter[0] = (first[:, : updated + OF_FRAME], bias)
    widths = [weight.shape[0] for weight, _ in painter[:-1]]
    architecture = {
        "channels": channels,
        "source": "rgb-structure-tensor",
        "hidden": [weight.shape[0] for weight, _ in rule[:-1]],
        "border": "replicate",
        "filter_scale": {"sobel": 0.125, "laplacian": 0.0625},
        "cell": 2 if widths[0] == 32 else 4,
        "painter": {"hidden": widths},
    }
    card = {"name": trial.stem, "description": "An unfinished trial of cells and a painter."}
    config = {
        "format": 2,
        "architecture": architecture,
        "playback": {"warmup": 48, "steps": 2},
        "card": card,
    }
    tensors = {}
    for prefix, part in (("w", rule), ("p", painter)):
        for i, (weight, bias) in enumerate(part, 1):
            tensors[f"{prefix}{i}.weight"] = weight[:, :, None, None].contiguous()
            tensors[f"{prefix}{i}.bias"] = bias
    save_file(tensors, out, {"nca": json.dumps(config)})


if __name__ == "__main__":
    main()
