"""
Trains the layout transformer: `python examples/layouts/train.py`.

Its texts are made by the grammar in examples/reading and read as the pipeline reads prompts; its boxes are imagined
anew each time (`imagined.py`). Who has COCO may add its captions and instances:

    python examples/layouts/train.py --coco captions_train2017.json instances_train2017.json

The same command goes on where it was stopped.
"""

import argparse
import math
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from coco import coco_sentences
from corpus import Sentence, read_or_make
from imagined import all_sizes
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from spacetime_attn.layout.things import NOUN_KINDS, kinds_of
from spacetime_attn.layout.transformer import PADDING, UNKNOWN, LayoutTransformer


RELATIVE_FACTOR = 5.0
UNKNOWN_NAMES = 0.15  # of the objects have names that say nothing
UNKNOWN_SIDES = 0.15  # of the objects have sizes that the list does not have
SMALLEST = 0.02  # side of a box, of which the logarithm is taken


def main() -> None:
    """Makes the corpus, trains and saves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "--folder", type=Path, default=Path("runs/layouts"), help="for corpus, state and model/ (default: %(default)s)"
    )
    add("--sentences", type=int, default=60_000, help="in the corpus (default: %(default)s)")
    add("--coco", type=Path, nargs=2, metavar=("CAPTIONS", "INSTANCES"), help="JSON files in COCO's format")
    add("--steps", type=int, default=5_000, help="default: %(default)s")
    add("--batch-size", type=int, default=128, help="default: %(default)s")
    add("--learning-rate", type=float, default=2e-3, help="at its highest (default: %(default)s)")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    dice = random.Random("other things")
    sentences = read_or_make(arguments.folder / "corpus.jsonl", arguments.sentences, seed=1)
    sentences = [sentence.about_others(dice) for sentence in sentences]
    if arguments.coco:
        sentences += coco_sentences(*arguments.coco)
    file = arguments.folder / "state.pt"
    state = torch.load(file, map_location=arguments.device) if file.exists() else None
    vocabulary = state["vocabulary"] if state else learn_vocabulary(sentence.text for sentence in sentences)
    sides = {name: float(f"{math.sqrt(width * height):.2g}") for name, (width, height) in all_sizes().items()}
    model = LayoutTransformer(vocabulary, sides).to(arguments.device)
    train(model, sentences, file, state, arguments)
    model.half().save_pretrained(arguments.folder / "model")


def learn_vocabulary(texts, size: int = 4000) -> list[str]:
    """Sub-words for the texts; all letters are among them."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=[PADDING, UNKNOWN], initial_alphabet=letters, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.get)


def train(
    model: LayoutTransformer, sentences: list[Sentence], file: Path, state: dict | None, arguments: argparse.Namespace
) -> None:
    """AdamW with a cosine schedule; the state is kept in `file` every two minutes."""
    rate = arguments.learning_rate
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    step = 0
    if state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    encoded = [model.encode(sentence.text, sentence.spans) for sentence in sentences]
    pieces = [number for number, word in enumerate(model.config.vocabulary) if word.startswith("##")]
    dice = random.Random(f"layouts, step {step}")
    source = batches([len(ids) for ids, _ in encoded], arguments.batch_size, dice)
    bar, saved, average = tqdm(initial=step, total=arguments.steps, mininterval=5), time.monotonic(), None
    while step < arguments.steps:
        part = min(1, (step + 1) / 300) * 0.5 * (1 + math.cos(math.pi * step / arguments.steps))
        for group in optimizer.param_groups:
            group["lr"] = max(part, 0.01) * rate
        batch = collate(model, [(sentences[i], *encoded[i]) for i in next(source)], pieces, dice)
        with torch.autocast(arguments.device, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):  # the fastest on a CPU
            loss = loss_of(model, *batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        average = loss.item() if average is None else 0.99 * average + 0.01 * loss.item()
        bar.update()
        bar.set_postfix(loss=f"{average:.3f}", refresh=False)
        if time.monotonic() - saved > 120 or step == arguments.steps:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
            state["vocabulary"] = list(model.config.vocabulary)
            torch.save(state, file.with_suffix(".writing"))
            os.replace(file.with_suffix(".writing"), file)
            saved = time.monotonic()
    bar.close()


def batches(lengths: list[int], size: int, dice: random.Random) -> Iterator[list[int]]:
    """Indices of sentences of about the same length, which saves padding; without end."""
    while True:
        pool = dice.sample(range(len(lengths)), min(32 * size, len(lengths)))
        pool.sort(key=lengths.__getitem__)
        groups = [pool[start : start + size] for start in range(0, len(pool), size)]
        dice.shuffle(groups)
        yield from groups


def collate(
    model: LayoutTransformer, rows: list[tuple], pieces: list[int], dice: random.Random
) -> tuple[torch.Tensor, ...]:
    """
    Sentences as tensors, with boxes imagined for this time. Now and then an object's name is written in random
    `pieces` of words, as an unknown one is, or its size is withheld, so that the rest has to tell it.

    Returns:
        `input_ids` (batch, tokens), `marked` (batch, objects, tokens), `kinds` (batch, objects, kinds), `sides`
        (batch, objects), `aspect_ratio` (batch,), and the boxes as the mixtures take them, (batch, objects, 4).
        Objects that are not there have no mark.
    """
    tokens = max(len(ids) for _, ids, _ in rows)
    objects = max(len(marks) for _, _, marks in rows)
    input_ids = torch.zeros(len(rows), tokens, dtype=torch.long)
    marked = torch.zeros(len(rows), objects, tokens, dtype=torch.bool)
    kinds = torch.zeros(len(rows), objects, len(NOUN_KINDS), dtype=torch.bool)
    sides = torch.zeros(len(rows), objects)
    boxes = torch.full((len(rows), objects, 4), 0.5)
    ratios = torch.ones(len(rows))
    for row, (sentence, ids, marks) in enumerate(rows):
        scene, ratios[row] = sentence.scene(dice)
        unknown = [mark for mark in marks if dice.random() < UNKNOWN_NAMES]
        ids = [dice.choice(pieces) if any(column) else number for number, *column in zip(ids, *unknown)]
        input_ids[row, : len(ids)] = torch.tensor(ids)
        kinds[row, : len(marks)] = torch.tensor([kinds_of(head) for head in sentence.heads])
        things = zip(sentence.heads, sentence.modifiers)
        listed = [0.0 if dice.random() < UNKNOWN_SIDES else model.side(*thing) for thing in things]
        sides[row, : len(marks)] = torch.tensor(listed)
        marked[row, : len(marks), : len(ids)] = torch.tensor(marks)
        boxes[row, : len(marks)] = torch.tensor(scene)
    corners = boxes.unflatten(-1, (2, 2))
    extents = (corners[..., 1, :] - corners[..., 0, :]).clamp(min=SMALLEST)
    targets = torch.cat([corners.mean(-2), extents.log()], dim=-1)
    return tuple(part.to(model.device) for part in (input_ids, marked, kinds, sides, ratios, targets))


def loss_of(model: LayoutTransformer, input_ids, marked, kinds, sides, ratios, targets) -> torch.Tensor:
    """The negative log-likelihood of the boxes, and the error of the differences between two objects' centres."""
    weights, means, scales = model(input_ids, marked, kinds, sides, ratios)
    gaussians = Independent(Normal(means, scales.exp()), 1)
    mixture = MixtureSameFamily(Categorical(logits=weights), gaussians)
    there = marked.any(-1)
    likelihood = mixture.log_prob(targets)[there].mean()
    centres, true = mixture.mean[..., :2], targets[..., :2]
    errors = (centres[:, :, None] - centres[:, None]) - (true[:, :, None] - true[:, None])
    pairs = there[:, :, None] & there[:, None]
    return RELATIVE_FACTOR * errors[pairs].square().mean() - likelihood


if __name__ == "__main__":
    main()
