"""
Makes the spaCy pipeline that ships of a trained reader:

    python examples/reading/pack.py START CHECKPOINT [CHECKPOINT ...] --output layout/english [--texts FILES]

Its vocabulary keeps the sub-words that English captions use most, so that it stays small; the others are spelled with
those. START is the folder that `train.py` took; of a reader that was packed, vocabulary and settings stay.
"""

import argparse
import json
import lzma
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import spacy
import torch
from corpus import Corpus
from encoder import starting_point
from tokenizers import Tokenizer

from spacetime_attn.layout.language import READER_NAME
from spacetime_attn.layout.reader import Reader
from spacetime_attn.layout.reader_model import ReaderNetwork


SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def pruned(tokenizer: Tokenizer, texts: Iterable[str], size: int) -> tuple[Tokenizer, list[int]]:
    """A tokenizer with so many sub-words: those that the texts use most, then the first ones; and their old ids."""
    if tokenizer.get_vocab_size() <= size:
        return tokenizer, list(range(tokenizer.get_vocab_size()))
    used = Counter(number for text in texts for number in tokenizer.encode(text, add_special_tokens=False).ids)
    vocabulary = tokenizer.get_vocab()
    single = [number for word, number in vocabulary.items() if len(word.removeprefix("##")) == 1 and word.isascii()]
    kept = [*(vocabulary[word] for word in SPECIAL), *single, *(number for number, _ in used.most_common())]
    kept = list(dict.fromkeys([*kept, *sorted(vocabulary.values())]))[:size]
    words = {number: word for word, number in vocabulary.items()}
    state = json.loads(tokenizer.to_str())
    state["model"]["vocab"] = {words[number]: place for place, number in enumerate(kept)}
    for token in state["added_tokens"]:
        token["id"] = SPECIAL.index(token["content"])
    processor = state["post_processor"]
    for name, token in processor.get("special_tokens", {}).items():
        token["ids"] = [SPECIAL.index(name)]
    return Tokenizer.from_str(json.dumps(state)), kept


def packed(reader: Reader, texts: Iterable[str], size: int) -> Reader:
    """The reader with a smaller vocabulary."""
    small, kept = pruned(reader.tokenizer, texts, size)
    network = ReaderNetwork(replace(reader.network.config, vocabulary_size=len(kept)))
    state = reader.network.state_dict()
    network.load_state_dict(state | {"words.weight": state["words.weight"][kept]})
    return Reader(network.eval(), small, reader.settings)


def averaged(states: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The mean of some weights (arXiv:2203.05482); those that are the same in all stay so to the last bit."""
    stacked = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    return {name: these[0] if (these == these[0]).all() else these.mean(0) for name, these in stacked.items()}


def _texts(corpus: Corpus, files: Iterable[Path]) -> Iterator[str]:
    yield from (record.prompt for record in corpus.marked for _ in range(3))
    yield from (record.prompt for record in corpus.generated(random.Random(0)))
    yield from corpus.stock.styles
    for path in files:
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            yield from lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start", type=Path, help="folder with MiniLM or a reader, see above")
    parser.add_argument("checkpoints", type=Path, nargs="+", help="files whose weights are averaged")
    parser.add_argument("--output", type=Path, required=True, help="folder for the spaCy pipeline, overwritten")
    parser.add_argument("--texts", type=Path, nargs="*", default=[], help="more texts for the vocabulary, .txt.xz")
    parser.add_argument("--size", type=int, default=20000, help="sub-words (default: %(default)s)")
    options = parser.parse_args()
    trained = starting_point(options.start)
    trained.network.load_state_dict(averaged([torch.load(path)["network"] for path in options.checkpoints]))
    settings = {"marked": 1.0, "generated": 20000, "tokens": 1000, "longest": 320}
    texts = _texts(Corpus(trained.tokenizer, settings), options.texts)
    reader = packed(trained, texts, options.size)
    nlp = spacy.blank("en")
    component = nlp.add_pipe(READER_NAME)
    component.network, component.tokenizer, component.settings = reader.network, reader.tokenizer, reader.settings
    options.output.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(options.output)
    print(f"{sum(path.stat().st_size for path in options.output.rglob('*')) / 1e6:.1f} MB in {options.output}")


if __name__ == "__main__":
    main()
