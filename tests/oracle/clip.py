"""Writes tests/golden/clip: a tiny CLIPModel with random weights, its tokenizer, and where
transformers places sentences and pictures.

    python tests/oracle/clip.py MERGES

MERGES is the file bpe_simple_vocab_16e6.txt.gz that came with CLIP; only its beginning is used, so
that the golden stays small. Needs torch, transformers, tokenizers and safetensors.
"""

import gzip
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPModel

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "clip"
MERGES = 400
SENTENCES = ["A pencil sketch", "a photo of a street, at night!", "Café — it's 42 ünïcode 東京", ""]


def bytes_to_unicode():
    """CLIP's names of bytes."""
    keep = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    names, n = {b: chr(b) for b in keep}, 0
    for b in range(256):
        if b not in names:
            names[b] = chr(256 + n)
            n += 1
    return names


def tokenizer(merges):
    """As transformers sets up CLIP's."""
    # CLIP's order: those that keep their names first.
    names = list(bytes_to_unicode().values())
    vocabulary = names + [v + "</w>" for v in names] + ["".join(m) for m in merges]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    ids = {token: i for i, token in enumerate(vocabulary)}
    t = Tokenizer(
        models.BPE(
            vocab=ids,
            merges=merges,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            unk_token="<|endoftext|>",
        )
    )
    t.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    t.decoder = decoders.ByteLevel()
    begin, end = "<|startoftext|>", "<|endoftext|>"
    t.add_special_tokens([AddedToken(begin, special=True), AddedToken(end, special=True)])
    t.post_processor = processors.RobertaProcessing(
        (end, ids[end]), (begin, ids[begin]), trim_offsets=False, add_prefix_space=False
    )
    return t, len(vocabulary)


def main():
    lines = gzip.open(sys.argv[1], "rt", encoding="utf-8").read().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : 1 + MERGES]]
    GOLDEN.mkdir(exist_ok=True)
    t, size = tokenizer(merges)
    t.save(str(GOLDEN / "tokenizer.json"))

    torch.manual_seed(7)
    config = CLIPConfig(
        projection_dim=24,
        text_config={
            "vocab_size": size,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 40,
            "bos_token_id": size - 2,
            "eos_token_id": size - 1,
            "projection_dim": 24,
        },
        vision_config={
            "hidden_size": 48,
            "intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 6,
            "image_size": 32,
            "patch_size": 8,
            "projection_dim": 24,
        },
    )
    model = CLIPModel(config).eval()
    with torch.no_grad():
        # Far enough from nothing that a mistake shows.
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    model.save_pretrained(GOLDEN)
    out = {"pictures": torch.rand(2, 3, 32, 32)}
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
    with torch.no_grad():
        vision = model.vision_model(pixel_values=(out["pictures"] - mean) / deviation)
        out["picture_places"] = model.visual_projection(vision.pooler_output)
        for i, sentence in enumerate(SENTENCES):
            ids = torch.tensor([t.encode(sentence).ids])
            text = model.text_model(input_ids=ids, attention_mask=torch.ones_like(ids))
            out[f"tokens.{i}"] = ids.float()
            out[f"sentence_places.{i}"] = model.text_projection(text.pooler_output)
    save_file({k: v.contiguous() for k, v in out.items()}, GOLDEN / "places.safetensors")
    (GOLDEN / "sentences.json").write_text(json.dumps(SENTENCES, ensure_ascii=False))
    (GOLDEN / "generation_config.json").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
