"""
Do words of style draw phantoms?

    python examples/reading/tails.py runs/tails
    python examples/evaluate.py runs/tails/plain.jsonl --output runs/tails/plain --steps 25 --batch-size 10
    python examples/evaluate.py runs/tails/styled.jsonl --output runs/tails/styled --steps 25 --batch-size 10

The first writes 60 of icon world's development prompts, as they are and with style words after them, and prints in how
many of the latter layouts the regions are just the objects of the prompt; the others draw and judge.
"""

import argparse
import json
import random
from collections import Counter
from pathlib import Path

from corpus import words
from rewriting import style
from tqdm import tqdm

from spacetime_attn import RuleLayoutPredictor
from stock import Stock


DEVELOPMENT = Path(__file__).parents[1] / "icon_world" / "prompts_dev.jsonl"
PROMPTS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for plain.jsonl and styled.jsonl")
    options = parser.parse_args()
    records = [json.loads(line) for line in DEVELOPMENT.read_text(encoding="utf-8").splitlines()]
    records = records[:: len(records) // PROMPTS]
    dice, stock = random.Random(0), Stock((), words("styles"), words("artists"))
    styled = [record | {"prompt": with_tail(record["prompt"], stock, dice)} for record in records]
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, some in (("plain", records), ("styled", styled)):
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in some)
        (options.folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    predictor = RuleLayoutPredictor()
    wrong = []
    for record in tqdm(styled):
        found = [" ".join(phrase.lower().split()[1:]) for phrase in predictor(record["prompt"]).phrases]
        if Counter(found) != Counter(record["objects"]):
            wrong.append(f"{record['prompt']}\n    {found}")
    print(f"{len(styled) - len(wrong)} of {len(styled)} layouts have just the objects of their prompts")
    print("\n".join(wrong))


def with_tail(prompt: str, stock: Stock, dice: random.Random) -> str:
    return f"{prompt.rstrip('.')}, " + ", ".join(style(stock, dice) for _ in range(dice.randint(3, 10)))


if __name__ == "__main__":
    main()
