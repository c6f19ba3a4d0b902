"""The benchmark's results for people: tables in Markdown and JSON, a grid of pictures."""

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from spacetime_attn.examples.metrics import COUNTED, METRICS, Estimate, compare, summarize


RIGHT, WRONG = "tab:green", "tab:red"


def picture_name(record: dict) -> str:
    """The file name of a prompt's picture; no two ids share one."""
    return f"{quote(str(record['id']), safe='')}.png"


def result_name(record: dict) -> str:
    """The file name of what was found in it."""
    return f"{quote(str(record['id']), safe='')}.json"


def write_tables(folder: Path, scores: Mapping[str, Sequence[dict]], about: dict) -> str:
    """
    Writes table.md and table.json.

    Args:
        scores (`Mapping[str, Sequence[dict]]`): For each row what `score_picture` gave, prompt by prompt in the same
            order. The first row is what the others are compared with.
        about (`dict`): What all rows have in common, for the record.

    Returns:
        `str`: The Markdown.
    """
    rows = {name: summarize(row) for name, row in scores.items()}
    first, *others = scores
    differences = {name: compare(scores[name], scores[first]) for name in others}
    text = _markdown(rows, sign="")
    if differences:
        text += f"\nDifferences from {first}, paired by prompt:\n\n" + _markdown(differences, sign="+")
    text += "\n" + "".join(f"- {name}: {meaning}.\n" for name, meaning in METRICS.items())
    text += f"\nIn brackets: 95 % bootstrap intervals over the prompts. Fractions are in percent. {_settings(about)}\n"
    (folder / "table.md").write_text(text, encoding="utf-8")
    data = {"about": about, "rows": _plain(rows), f"differences from {first}": _plain(differences)}
    (folder / "table.json").write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return text


def picture_grid(
    prompts: Sequence[dict], folders: Mapping[str, Path], scores: Mapping[str, Sequence[dict]], file: Path
) -> None:
    """
    Draws a row for each prompt and a column for each row of the table; the frame tells whether all is right.

    Args:
        folders (`Mapping[str, Path]`): Where `<id>.png` of each column are.
        scores (`Mapping[str, Sequence[dict]]`): See `write_tables`.
        file (`Path`): Where the grid goes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2 * len(folders) + 2, 2.1 * len(prompts)), layout="constrained", dpi=100)
    axes = figure.subplots(len(prompts), len(folders), squeeze=False)
    for i, record in enumerate(prompts):
        text = textwrap.fill(record["prompt"], 28)
        axes[i, 0].set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8)
        for axis, (name, folder) in zip(axes[i], folders.items()):
            with Image.open(folder / picture_name(record)) as picture:
                axis.imshow(picture)
            axis.set(xticks=[], yticks=[])
            right, _ = scores[name][i]["entirely right"]
            axis.spines[:].set(color=RIGHT if right else WRONG, linewidth=2)
    for axis, name in zip(axes[0], folders):
        axis.set_title(textwrap.fill(name, 20), fontsize=9)
    figure.savefig(file)


def _markdown(rows: Mapping[str, dict[str, Estimate]], sign: str) -> str:
    lines = [["", *METRICS], [":--", *["--:"] * len(METRICS)]]
    lines += [[name, *(_cell(metric, row[metric], sign) for metric in METRICS)] for name, row in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(metric: str, estimate: Estimate, sign: str) -> str:
    if math.isnan(estimate.value):
        return "-"
    scale, digits = (1, 2) if metric in COUNTED else (100, 1)
    value, low, high = (f"{scale * x:{sign}.{digits}f}" for x in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def _settings(about: dict) -> str:
    return "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in about.items() if value is not None) + "."


def _plain(rows: Mapping[str, dict[str, Estimate]]) -> dict:
    """JSON-ready: what has no value (nothing was counted) is null."""
    return {
        name: {
            metric: {key: None if math.isnan(value) else value for key, value in asdict(estimate).items()}
            for metric, estimate in row.items()
        }
        for name, row in rows.items()
    }
