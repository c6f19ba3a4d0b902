"""What training starts from: MiniLM-L6's weights in a `ReaderNetwork`, or a reader that was packed."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from spacetime_attn.layout.language import READER_NAME
from spacetime_attn.layout.reader import Reader
from spacetime_attn.layout.reader_model import ReaderNetwork


_OF_LAYERS = {
    "attention.output.dense": "attended",
    "attention.output.LayerNorm": "norm_attended",
    "intermediate.dense": "inner",
    "output.dense": "outer",
    "output.LayerNorm": "norm",
}


def starting_point(folder: str | Path) -> Reader:
    """
    A reader to be trained.

    Args:
        folder (`str` or `Path`): sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) with `model.safetensors` and
            `tokenizer.json`, or a pipeline that `pack.py` made.

    Raises:
        FileNotFoundError, ValueError: It is neither.
    """
    packed = Path(folder) / READER_NAME
    if packed.exists():
        reader = Reader().from_disk(packed)
        reader.network.requires_grad_(True)  # which is frozen where it is loaded to read
        return reader
    network = ReaderNetwork()
    _load_encoder(network, folder)
    return Reader(network, _load_tokenizer(folder))


def _load_encoder(network: ReaderNetwork, folder: str | Path) -> None:
    source = load_file(Path(folder) / "model.safetensors")
    state = {
        "words.weight": source["embeddings.word_embeddings.weight"],
        "positions.weight": source["embeddings.position_embeddings.weight"]
        + source["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": source["embeddings.LayerNorm.weight"],
        "norm.bias": source["embeddings.LayerNorm.bias"],
    }
    for number in range(network.config.layers):
        for kind in ("weight", "bias"):
            theirs = f"encoder.layer.{number}."
            parts = [source[f"{theirs}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            state[f"layers.{number}.qkv.{kind}"] = torch.cat(parts)
            for name, ours in _OF_LAYERS.items():
                state[f"layers.{number}.{ours}.{kind}"] = source[f"{theirs}{name}.{kind}"]
    missing, unexpected = network.load_state_dict(state, strict=False)
    if unexpected or any(name.startswith(("words", "positions", "norm", "layers")) for name in missing):
        raise ValueError(f"{folder} holds no MiniLM-L6: {missing} {unexpected}")


def _load_tokenizer(folder: str | Path) -> Tokenizer:
    """MiniLM's WordPiece, lower-casing, with neither padding nor a longest text."""
    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
