"""
Prompts that nothing may be trained on, as digests: `python examples/reading/kept_out.py FILES`.

FILES are JSON lines with "prompt", or marked prompts (.txt): all that the reader is measured on. The digests go to
kept_out.txt beside this script, from which `is_kept_out` knows them.
"""

import argparse
import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from markup import read


LIST = Path(__file__).with_name("kept_out.txt")


def digest(prompt: str) -> str:
    """Of the words alone: neither case, spaces nor punctuation count."""
    return hashlib.sha256(" ".join(re.findall(r"\w+", prompt.lower())).encode()).hexdigest()[:16]


@cache
def _digests() -> frozenset[str]:
    return frozenset(LIST.read_text(encoding="ascii").split())


def is_kept_out(prompt: str) -> bool:
    """Whether the reader is measured on a prompt."""
    return digest(prompt) in _digests()


def _prompts(path: Path) -> Iterator[str]:
    if path.suffix == ".txt":
        yield from (marked.prompt for marked in read(path))
    else:
        yield from (json.loads(line)["prompt"] for line in path.read_text(encoding="utf-8").splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="what the reader is measured on, .jsonl or .txt")
    digests = {digest(prompt) for path in parser.parse_args().files for prompt in _prompts(path)}
    LIST.write_text("".join(f"{line}\n" for line in sorted(digests)), encoding="ascii")
    print(f"{len(digests)} prompts are kept out")


if __name__ == "__main__":
    main()
