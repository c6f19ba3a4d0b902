"""
Guesses how large things are: `python examples/layouts/guess_sizes.py` writes `guessed_sizes.txt` anew.

A language model reads "The typical size of a harp is about", and also WordNet's definition of a harp before that; from
its last states, a kernel ridge regression that was fitted to the things of known size tells the harp's. Things that
are held out are guessed like all others. Prints how often two known things that differ by a factor of two in area are
in the right order, each guessed from nine tenths of the others.
"""

import argparse
import copy
import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from imagined import GUESSED_SIZES, known_sizes, read_sides
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from wordnet import read_definitions

from spacetime_attn.layout.things import name_among, name_and_factor
from spacetime_attn.layout.words import is_plural, with_article


PROMPTS = (  # what all names share, what differs, and how much the answer counts
    ("The typical size of", " {name} is about", 1.0),
    (
        "A pea is 0.8 centimetres large. A teacup is 9 centimetres large. A cat is 45 centimetres large. "
        "A sofa is 2 metres large. A truck is 8 metres large. A cathedral is 100 metres large. Moreover,",
        " {name} is",
        1.0,
    ),
    ("Definition:", " {name}{definition}. The typical size of {name} is about", 2.0),
)
BATCH_SIZE = 64
SHARPNESS = 0.3  # of the Gaussian kernel on states of variance 1
RIDGE = 0.2
FOLDS = 10
SAME_SIZE = 1.25  # names of several words are listed if their sides differ from their last words' by this factor


def main() -> None:
    """Reads, fits, scores and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "--model",
        default="HuggingFaceTB/SmolLM2-135M-Instruct",
        help="causal language model, id or folder (default: %(default)s)",
    )
    add("--nouns", type=Path, help="a text file, one a line, in the place of those that guessed_sizes.txt has")
    add(
        "--wordnet",
        type=Path,
        default=Path("/usr/share/wordnet"),
        help="folder with data.noun and index.noun (default: %(default)s)",
    )
    arguments = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.bfloat16).eval()
    known = {name: 0.5 * math.log(width * height) for name, (width, height) in known_sizes().items()}
    lines = arguments.nouns.read_text(encoding="utf-8").split("\n") if arguments.nouns else read_sides(GUESSED_SIZES)
    nouns = [noun for noun in lines if noun and noun not in known]
    definitions = read_definitions(arguments.wordnet)
    kernel = 0
    for shared, ending, weight in PROMPTS:
        texts = [complete(ending, name, definitions) for name in (*known, *nouns)]
        kernel = kernel + weight * gaussian_kernel(read_states(texts, shared, model, tokenizer), len(known))
    sides = np.array(list(known.values()))
    right = order_score(kernel[: len(known)], sides)
    print(f"{100 * right:.1f} % of the pairs of {len(known)} known things in the right order")
    guessed = dict(zip(nouns, regress(kernel, sides)[len(known) :].tolist()))
    listed = worth_listing(guessed, known)
    write_sides(GUESSED_SIZES, {name: math.exp(side) for name, side in listed.items()})


def complete(ending: str, name: str, definitions: dict[str, str]) -> str:
    """The ending with the name of a thing, in the singular where it has one, after its article."""
    definition = f" is {definitions[name]}" if name in definitions else ""
    return ending.format(name=name if is_plural(name) else with_article(name), definition=definition)


@torch.no_grad()
def read_states(
    texts: Sequence[str], shared: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> np.ndarray:
    """
    Args:
        texts (`Sequence[str]`): What the model reads.
        shared (`str`): What it reads before each of them, once.

    Returns:
        Array of shape (texts, channels): the last layer's states at the end.
    """
    ids = [tokenizer(text, add_special_tokens=False).input_ids for text in texts]
    before = model(torch.tensor([tokenizer(shared, add_special_tokens=False).input_ids])).past_key_values
    states = np.empty((len(texts), model.config.hidden_size), dtype=np.float32)
    order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
    for start in tqdm(range(0, len(ids), BATCH_SIZE)):
        places = order[start : start + BATCH_SIZE]
        ends = torch.tensor([len(ids[place]) for place in places])
        rows = torch.zeros(len(places), int(ends.max()), dtype=torch.long)  # what comes after the end has no effect
        for row, place in zip(rows, places):
            row[: len(ids[place])] = torch.tensor(ids[place])
        cache = copy.deepcopy(before)
        cache.batch_repeat_interleave(len(places))
        output = model(rows, past_key_values=cache, output_hidden_states=True, logits_to_keep=1)
        states[places] = output.hidden_states[-1][torch.arange(len(places)), ends - 1].float().numpy()
    return states


def gaussian_kernel(states: np.ndarray, count: int) -> np.ndarray:
    """
    Args:
        states (array of shape (names, channels)): As the model gives them.
        count (`int`): How many of the first ones are known.

    Returns:
        Array of shape (names, count): how alike each one and the known ones are, 0..1.
    """
    known = states[:count]
    scale = known.std(0).mean() * math.sqrt(states.shape[1])
    states = (states - known.mean(0)) / scale
    squares = np.square(states).sum(1)
    return np.exp(-SHARPNESS * (squares[:, None] + squares[:count] - 2 * states @ states[:count].T))


def regress(kernel: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """
    Args:
        kernel (array of shape (names, known)): The known ones first.
        sides (array of shape (known,)): Logarithms.

    Returns:
        Array of shape (names,): the logarithms that kernel ridge regression guesses.
    """
    count = len(sides)
    return kernel @ np.linalg.solve(kernel[:count] + RIDGE * np.eye(count), sides - sides.mean()) + sides.mean()


def order_score(kernel: np.ndarray, sides: np.ndarray) -> float:
    """The share of pairs whose areas differ by a factor of two that are guessed in the right order, 0..1."""
    fold = np.random.default_rng(0).permutation(len(sides)) % FOLDS
    guessed = np.empty(len(sides))
    for number in range(FOLDS):
        others, these = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        both = np.concatenate([others, these])
        guessed[these] = regress(kernel[np.ix_(both, others)], sides[others])[len(others) :]
    first, second = np.nonzero(sides[:, None] - sides > math.log(2) / 2)
    return float(np.mean(guessed[first] > guessed[second]))


def worth_listing(guessed: dict[str, float], known: dict[str, float]) -> dict[str, float]:
    """Those of the guessed logarithms that do not follow from what else is listed: a park bench is like any bench."""
    listed = dict(known)
    for name in sorted(guessed, key=lambda name: name.count(" ")):
        *words, noun = name.split()
        shorter, factor = name_and_factor(listed, noun, words)
        is_other = shorter is None or abs(guessed[name] - listed[shorter] - math.log(factor)) > math.log(SAME_SIZE)
        if is_other and name_among([name], noun, words):  # which "french fries" are not: they are some "french fry"
            listed[name] = guessed[name]
    return {name: side for name, side in listed.items() if name not in known}


def write_sides(path: Path, sides: dict[str, float]) -> None:
    """One line for all things of the same side, rounded to two digits."""
    rounded = sorted((float(f"{side:.2g}"), name) for name, side in sides.items())
    groups = groupby(rounded, lambda row: row[0])
    lines = [f"{side:g}: {', '.join(name for _, name in group)}" for side, group in groups]
    heading = "# Sides in metres of squares as large as these things look: guessed by guess_sizes.py."
    path.write_text("\n".join([heading, *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
