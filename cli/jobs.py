"""The prompts of a run: `Job`, and `read_jobs` from the arguments or a file."""

import json
import re
import unicodedata
from argparse import Namespace
from pathlib import Path
from typing import NamedTuple


_MEANINGFUL = set('/\\:*?"<>|')  # to some shell or disk
_DEVICES = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE)  # on Windows, in any folder


class Job(NamedTuple):
    """One prompt of a run; `id` names its files where there are many prompts."""

    prompt: str
    id: str | None = None

    def place(self, path: str, suffix: str) -> Path:
        """The file `path` for a single prompt, a file named by the id in the folder `path` for many."""
        return Path(path) if self.id is None else Path(path) / f"{self.id}{suffix}"

    def places(self, path: str | None, suffix: str, count: int = 1) -> list[Path]:
        """That file, or so many that are numbered from 1; none without `path`."""
        if path is None:
            return []
        place = self.place(path, suffix)
        return [place] if count == 1 else [place.with_stem(f"{place.stem}-{n + 1}") for n in range(count)]


def read_jobs(args: Namespace) -> list[Job]:
    """
    The prompt, or those in the file.

    Raises:
        ValueError, TypeError, OSError: The file cannot be read or holds something else, or its ids name no files.
    """
    if args.prompts is None:
        return [Job(args.prompt)]
    if args.objects:
        raise ValueError("--objects names the objects of a single prompt, not of many (--prompts).")
    try:
        lines = Path(args.prompts).read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{args.prompts!r} is not UTF-8 text: {error}") from None
    jobs: dict[str, Job] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            job = _read_job(line, f"line {number} of {args.prompts!r}")
            other = jobs.setdefault(same_on_some_disk(job.id), job)
            if other is not job:
                raise ValueError(f"The ids {other.id!r} and {job.id!r} in {args.prompts!r} would name the same files.")
    if not jobs:
        raise ValueError(f"There are no prompts in {args.prompts!r}.")
    return list(jobs.values())


def _read_job(line: str, where: str) -> Job:
    """`where` that line is, for errors."""
    try:
        data = json.loads(line)
        job = Job(data["prompt"], data["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f'Each line has to be a JSON object {{"id": ..., "prompt": ...}}; {where} is not.') from None
    if not isinstance(job.prompt, str):
        raise TypeError(f"`prompt` has to be a string, got {job.prompt!r} in {where}.")
    if type(job.id) is int:
        job = job._replace(id=str(job.id))
    if not isinstance(job.id, str) or not _is_file_name(job.id):
        raise ValueError(f"`id` names the files, so {job.id!r} in {where} will not do: use letters and digits.")
    return job


def _is_file_name(text: str) -> bool:
    """Whether it is a plain one on every system."""
    is_plain = text.isprintable() and text == text.strip() and not set(text) & _MEANINGFUL
    return is_plain and text[:1] not in ("", ".") and text[-1] != "." and not _DEVICES.fullmatch(text)


def same_on_some_disk(name: str) -> str:
    """Equal for names that some disks take for one."""
    return unicodedata.normalize("NFC", name).casefold()
