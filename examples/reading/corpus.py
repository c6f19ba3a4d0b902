"""What the reader learns from: `Corpus`, the marked prompts and as many generated ones as the settings say."""

import lzma
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

from grammar import Grammar
from kept_out import digest, is_kept_out
from markup import Marked, read
from rewriting import cleaned, rewritten
from targets import Example, example
from tokenizers import Tokenizer

from stock import Stock


HERE = Path(__file__).parent


class Corpus:
    """
    Args:
        tokenizer (`Tokenizer`): The encoder's.
        settings (`Mapping`): `marked`, the share of the marked prompts; `generated`, how many in a round;
            `tokens`, of a batch with its padding; `longest`, of a prompt.
        seed (`int`): All chance.
    """

    def __init__(self, tokenizer: Tokenizer, settings: Mapping, seed: int = 0):
        self.tokenizer, self.settings, self.seed = tokenizer, settings, seed
        marked = [record for record in marked_prompts() if not is_development(record)]
        self.stock = Stock(marked, words("styles"), words("artists"))
        random.Random(0).shuffle(marked)
        self.marked = marked[: round(len(marked) * settings["marked"])]

    def round(self, number: int) -> list[list[Example]]:
        """Batches of prompts of about the same length: all that are marked, and others every time."""
        dice = random.Random(1000 * self.seed + number)
        records = [rewritten(record, self.stock, dice) for record in (*self.marked, *self.generated(dice))]
        examples = [example(record, self.tokenizer, self.settings["longest"]) for record in records]
        examples.sort(key=lambda one: len(one.input_ids) * (1 + 0.1 * dice.random()))
        batches = list(self._batches(examples))
        dice.shuffle(batches)
        return batches

    def generated(self, dice: random.Random) -> Iterator[Marked]:
        """Sentences of the grammar, as many as the settings say."""
        grammar = Grammar(self.stock, dice)
        for _ in range(self.settings["generated"]):
            yield grammar.text()

    def _batches(self, examples: list[Example]) -> Iterator[list[Example]]:
        batch: list[Example] = []
        for one in examples:
            longest = max(len(other.input_ids) for other in (one, *batch))
            if batch and longest * (len(batch) + 1) > self.settings["tokens"]:
                yield batch
                batch = []
            batch.append(one)
        yield batch


def marked_prompts() -> list[Marked]:
    """All marked prompts that may be trained on, without the syntax of other tools."""
    records = read(*sorted((HERE / "marked").glob("*.txt")))
    return [cleaned(record) for record in records if not is_kept_out(record.prompt)]


def is_development(record: Marked) -> bool:
    """Whether a marked prompt is one of the twentieth that is left for calibration."""
    return int(digest(record.prompt), 16) % 20 == 0


def words(name: str) -> list[str]:
    """Words of style, or artists, one a line (clip-interrogator's, MIT)."""
    with lzma.open(HERE / "words" / f"{name}.txt.xz", "rt", encoding="utf-8") as lines:
        return lines.read().splitlines()
