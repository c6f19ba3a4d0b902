"""
Trains the reader.

    python examples/reading/train.py START --output runs/reader [--settings FILE] [--minutes 100]

START is a folder with sentence-transformers/all-MiniLM-L6-v2 (`model.safetensors`, `tokenizer.json`), or a reader that
`pack.py` made. After each round a checkpoint is written; the same command goes on from there, and stops when the
minutes are over.
"""

import argparse
import random
import shutil
import time
from pathlib import Path

import torch
import yaml
from corpus import Corpus
from encoder import starting_point
from losses import PARTS, loss
from torch import nn


HERE = Path(__file__).parent


class Training:
    """
    Args:
        start (`Path`): MiniLM's folder, or that of a reader.
        settings (`dict`): Those of reader.yaml.
        output (`Path`): Where checkpoints are.
    """

    def __init__(self, start: Path, settings: dict, output: Path):
        self.settings, self.output = settings, output
        torch.manual_seed(settings["seed"])
        reader = starting_point(start)
        self.network = reader.network
        self.network.words.requires_grad_(False)
        self.corpus = Corpus(reader.tokenizer, settings["corpus"], settings["seed"])
        encoder, heads = [], []
        for name, weight in self.network.named_parameters():
            if weight.requires_grad:
                (encoder if name.startswith(("positions", "norm", "layers")) else heads).append(weight)
        self.rates = settings["rate"]["encoder"], settings["rate"]["heads"]
        self.optimizer = torch.optim.AdamW([{"params": encoder}, {"params": heads}], weight_decay=0.01)
        self.round = 0
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint)
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.round = state["round"]

    @property
    def checkpoint(self) -> Path:
        return self.output / "checkpoint.pt"

    def run(self, minutes: float) -> None:
        """Trains until all rounds are done, or the time will not do for another."""
        started = time.monotonic()
        self.output.mkdir(parents=True, exist_ok=True)
        while self.round < self.settings["rounds"]:
            begun = time.monotonic()
            self._round()
            self._save()
            if time.monotonic() - started + (time.monotonic() - begun) > 60 * minutes:
                break

    def _round(self) -> None:
        self.network.train()
        random.seed(self.round)
        torch.manual_seed(self.round)
        totals, begun = dict.fromkeys(PARTS, 0.0), time.monotonic()
        batches = self.corpus.round(self.round)
        for number, batch in enumerate(batches):
            progress = (self.round + number / len(batches)) / self.settings["rounds"]
            for group, rate in zip(self.optimizer.param_groups, self.rates):
                group["lr"] = rate * min(1, progress / self.settings["warm_up"]) * max(0.01, 1 - progress)
            with torch.autocast("cpu", torch.bfloat16):
                parts = loss(self.network, batch, self.settings["weights"])
            self.optimizer.zero_grad()
            sum(parts.values()).backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
            for name, value in parts.items():
                totals[name] += value.item() / len(batches)
        self.round += 1
        print(
            f"round {self.round}: {' '.join(f'{name} {value:.3f}' for name, value in totals.items())}"
            f" ({sum(map(len, batches))} prompts, {time.monotonic() - begun:.0f} s)",
            flush=True,
        )

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "round": self.round
        }  # fmt: skip
        partial = self.checkpoint.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(self.checkpoint)
        if self.round in self.settings["kept"]:
            shutil.copy(self.checkpoint, self.output / f"checkpoint-{self.round}.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start", type=Path, help="folder with MiniLM or a reader, see above")
    parser.add_argument(
        "--output", type=Path, default=Path("runs/reader"), help="for checkpoints (default: %(default)s)"
    )
    parser.add_argument("--settings", type=Path, default=HERE / "reader.yaml", help="YAML (default: reader.yaml here)")
    parser.add_argument("--minutes", type=float, default=100, help="of this call (default: %(default)s)")
    options = parser.parse_args()
    settings = yaml.safe_load(options.settings.read_text(encoding="utf-8"))
    Training(options.start, settings, options.output).run(options.minutes)


if __name__ == "__main__":
    main()
