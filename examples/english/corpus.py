"""What the English model learns from: the UD English Web Treebank and our captions, as spaCy examples."""

import lzma
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import spacy
from captions import Captions
from spacy import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.converters import conllu_to_docs
from spacy.vocab import Vocab


SENTENCES_PER_DOCUMENT = (1, 1, 1, 2, 3)
LOWERED = 0.1


def read_treebank(path: str | Path, part: str) -> list[Doc]:
    """The sentences of `en_ewt-{part}.conllu.xz` (train, dev or test), one a document, without morphology.

    Raises FileNotFoundError where the folder `path` does not hold that file.
    """
    file = Path(path) / f"en_ewt-{part}.conllu.xz"
    if not file.is_file():
        raise FileNotFoundError(f"no {file.name} in {path}: pass the folder with the .xz files of UD English EWT")
    with lzma.open(file, "rt", encoding="utf-8") as text:
        docs = list(conllu_to_docs(text.read(), n_sents=1, no_print=True))
    for doc in docs:
        for token in doc:
            token.set_morph("")
    return docs


def read_captions(seed: int, count: int, vocab: Vocab) -> list[Doc]:
    """`count` synthetic captions with their trees."""
    captions = Captions(seed)
    return [captions.document(vocab) for _ in range(count)]


def to_examples(docs: list[Doc], nlp: Language) -> Iterator[Example]:
    """Pairs the gold documents with what the tokenizer makes of their text."""
    for doc in docs:
        yield Example(nlp.make_doc(doc.text), doc)


@spacy.registry.readers("spacetime_attn.treebank_with_captions.v1")
def treebank_with_captions(path: str, part: str, captions: int, seed: int) -> Callable[[Language], Iterator[Example]]:
    """A spaCy corpus. For training, each epoch sees new captions, and the treebank cut and lower-cased anew."""
    epochs = random.Random(seed)
    treebank = read_treebank(path, part)

    def read(nlp: Language) -> Iterator[Example]:
        docs = treebank
        if part == "train":
            docs = [_lowered(doc) if epochs.random() < LOWERED else doc for doc in _joined(treebank, epochs)]
        epoch = epochs.randrange(1, 2**32) if part == "train" else seed
        yield from to_examples(docs + read_captions(epoch, captions, nlp.vocab), nlp)

    return read


def _joined(docs: list[Doc], choices: random.Random) -> list[Doc]:
    """Joins neighbouring sentences, so that the parser learns where sentences end."""
    joined, start = [], 0
    while start < len(docs):
        end = start + choices.choice(SENTENCES_PER_DOCUMENT)
        group = docs[start:end]
        joined.append(group[0] if len(group) == 1 else Doc.from_docs(group))
        start = end
    return joined


def _lowered(doc: Doc) -> Doc:
    return Doc(
        doc.vocab,
        words=[token.text.lower() for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
        tags=[token.tag_ for token in doc],
        pos=[token.pos_ for token in doc],
        deps=[token.dep_ for token in doc],
        heads=[token.head.i for token in doc],
    )
