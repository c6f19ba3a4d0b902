"""
Scores layout predictors on public prompt sets, without pictures, for the table in docs/measurements.md.

    python examples/layouts/benchmark.py FOLDER                # random and ordered boxes, rules, transformer
    python examples/layouts/benchmark.py FOLDER --llm Qwen/Qwen3-4B-Instruct-2507

FOLDER has copies of the sets' repositories; examples/layouts/sets/README.md says which, and which rule judges each.
What is not there is left out, and named. VISOR's phrases are made here. "Seen" is the share of a set's prompts that
the reader was trained on, or measured on while it was made; "development" marks sets whose misses guided the work.

A language model has four columns: the scores of its answers as they come, where what is not answered is wrong; those
of its layouts when they are mended; and the shares of the prompts that it did not answer, and whose answers were
mended.
"""

import argparse
import csv
import json
import logging
import random
import re
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import permutations, product
from pathlib import Path
from typing import NamedTuple

from asked import AskedModel
from tqdm import tqdm

from spacetime_attn import Layout, Region, RuleLayoutPredictor, TransformerLayoutPredictor
from spacetime_attn.examples.extras import need
from spacetime_attn.layout.words import DETERMINERS, NUMERALS, with_article


READING = Path(__file__).parents[1] / "reading"
VISOR_SAMPLE = 2000
NEAR = 150 / 512  # T2I-CompBench's, of the picture's side
COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
NAMES = {  # of our relations in the sets' words, "-" before those whose ends change places
    "left of": "left of, to the left of, on the left of, on the left, at the left side of, left to",
    "right of": "right of, to the right of, on the right of, on the right, at the right side of, right to",
    "above": "above, over, on the top of",
    "below": "below, under, beneath, on the bottom of, on bottom of",
    "on": "on, on top of",
    "inside": "in, inside, inside of, into, within, enclosed by, -contains",
    "behind": "behind, at the back of, beyond, hidden by",
    "in front of": "in front of, ahead of",
    "next to": "next to, beside, adjacent to, alongside, at the side of, on side of, by, near, close to",
    "touching": "touching, touch",
    "far from": "far from, far away from, away from",
}
T2I_WORDS = (
    "on the left of", "on the left", "on the right of", "on the right", "on the top of", "on top of",
    "on the bottom of", "on bottom of", "next to", "on side of", "near",
)  # fmt: skip
DEPTH_WORDS = "in front of", "behind", "hidden by"
RELATION_OF = {words: name for name, wordings in NAMES.items() for words in wordings.split(", ")}

Box = tuple[float, float, float, float]


class Case(NamedTuple):
    """
    A prompt and what it states: `things` by their names, `relations` as (subject, relation, object), which count the
    things, and how many there are of a thing.
    """

    prompt: str
    things: tuple[str, ...]
    relations: tuple[tuple[int, str, int], ...] = ()
    count: int = 1


class Row(NamedTuple):
    """Cases that are judged in one way."""

    title: str
    cases: list[Case]
    judge: Callable[[Case, list[list[Region]]], float]  # 0..1, of the regions of each thing
    asks_where: bool = True  # and not only what: the baselines, which are told the things, say something


# --- Rules of scoring -------------------------------------------------------------------------------------------


def geneval_position(case: Case, found: list[list[Region]]) -> float:
    """GenEval's: the offset of the centres, less a tenth of both boxes' sides, has the stated direction."""
    ((subject, name, landmark),) = case.relations
    return float(all(found) and name in directions(found[subject][0].bounds, found[landmark][0].bounds))


def geneval_count(case: Case, found: list[list[Region]]) -> float:
    """GenEval's: exactly so many of each."""
    return float(all(len(regions) == case.count for regions in found))


def t2i_compbench(case: Case, found: list[list[Region]]) -> float:
    """
    T2I-CompBench's `determine_position` on a picture of 512 pixels: the stated axis dominates and the boxes' IoU is
    below 0.1, beyond which the score falls; "next to" and the like ask for 150 pixels along one axis.
    """
    if not all(found):
        return 0.0
    ((subject, name, landmark),) = case.relations
    a, b = found[subject][0].bounds, found[landmark][0].bounds
    distances = [abs(apart) for apart in offset(a, b)]
    if name == "next to":
        return 1.0 if min(distances) < NEAR else NEAR / max(distances)
    shows = along("above" if name == "on" else name, a, b) == max(distances) > min(distances)
    return min(1.0, 0.1 / max(iou(a, b), 1e-9)) if shows else 0.0


def t2i_overlap(case: Case, found: list[list[Region]]) -> float:
    """T2I-CompBench's 3D rule: the order in depth, times the boxes' IoU by 0.5 up to 1."""
    return stated(case, found) and min(1.0, iou(found[0][0].bounds, found[1][0].bounds) / 0.5)


def visor(case: Case, found: list[list[Region]]) -> float:
    """VISOR's: some two of them have their centres in the stated order, by however little."""
    ((subject, name, landmark),) = case.relations
    pairs = product(found[subject], found[landmark])
    return float(any(along(name, a.bounds, b.bounds) > 0 for a, b in pairs))


def spatialbench(case: Case, found: list[list[Region]]) -> bool | None:
    """SpatialBench-UC's verdict: the centres differ by more than a tenth of the picture; None is undecided."""
    ((subject, name, landmark),) = case.relations
    seen = [[r for r in regions if area(r.bounds) >= 0.005] for regions in found]
    if [len(regions) for regions in seen] != [1, 1]:
        return None
    a, b = seen[subject][0].bounds, seen[landmark][0].bounds
    delta, is_hidden = along(name, a, b), name in ("left of", "right of") and iou(a, b) > 0.5
    return None if is_hidden or abs(delta) <= 0.1 else delta > 0


def passed(case: Case, found: list[list[Region]]) -> float:
    return float(spatialbench(case, found) is True)


def decided(case: Case, found: list[list[Region]]) -> float:
    return float(spatialbench(case, found) is not None)


def stated(case: Case, found: list[list[Region]]) -> float:
    """The share of the relations that hold in the boxes, by `holds`."""
    held = [
        bool(found[subject] and found[landmark] and holds(name, found[subject][0], found[landmark][0]))
        for subject, name, landmark in case.relations
    ]
    return statistics.fmean(held)


def all_found(case: Case, found: list[list[Region]]) -> float:
    """The share of the things that have a region."""
    return statistics.fmean(map(bool, found))


def holds(name: str, first: Region, second: Region) -> bool:
    """Whether a relation is seen, of VSR and DSG, which have no rule for boxes: directions are GenEval's."""
    a, b = first.bounds, second.bounds
    dx, dy = offset(a, b)
    if name in ("left of", "right of", "above", "below"):
        return name in directions(a, b)
    if name == "on":
        return "above" in directions(a, b) or overlap(a, b) > 0.5 * area(a)
    if name == "inside":
        return overlap(a, b) > 0.5 * area(a) and area(a) < area(b)
    if name in ("behind", "in front of"):
        return is_nearer(first, second) if name == "in front of" else is_nearer(second, first)
    if name == "next to":
        return min(abs(dx), abs(dy)) < NEAR and iou(a, b) < 0.5
    if name == "touching":
        return max(a[0] - b[2], b[0] - a[2], a[1] - b[3], b[1] - a[3]) <= 0.02 and iou(a, b) < 0.5
    return (dx**2 + dy**2) ** 0.5 >= 0.4  # far from


def is_nearer(first: Region, second: Region) -> bool:
    """By their order in depth where it differs, else what ends lower in the picture."""
    return (first.order or 0, first.bounds[3]) > (second.order or 0, second.bounds[3])


def directions(a: Box, b: Box) -> set[str]:
    """GenEval's `relative_position`: where the first box is, seen from the second; two at most."""
    moved = []
    for axis, apart in enumerate(offset(a, b)):
        sides = a[axis + 2] - a[axis] + b[axis + 2] - b[axis]
        moved.append(max(abs(apart) - 0.1 * sides, 0) * (1 if apart > 0 else -1))
    length = sum(apart**2 for apart in offset(a, b)) ** 0.5
    x, y = (part / length if length else 0 for part in moved)
    told = {"left of": x < -0.5, "right of": x > 0.5, "above": y < -0.5, "below": y > 0.5}
    return {name for name, is_so in told.items() if is_so}


def along(name: str, a: Box, b: Box) -> float:
    """How far the centre of the first box is from that of the second in a stated direction."""
    dx, dy = offset(a, b)
    return {"left of": -dx, "right of": dx, "above": -dy, "below": dy}[name]


def offset(a: Box, b: Box) -> tuple[float, float]:
    """From the centre of the second box to that of the first."""
    return (a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2


def area(box: Box) -> float:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def overlap(a: Box, b: Box) -> float:
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def iou(a: Box, b: Box) -> float:
    shared = overlap(a, b)
    return shared / (area(a) + area(b) - shared)


# --- The sets ---------------------------------------------------------------------------------------------------


def geneval(folder: Path) -> Iterator[Row]:
    lines = (folder / "geneval/prompts/evaluation_metadata.jsonl").read_text(encoding="utf-8").splitlines()
    cases: dict[str, list[Case]] = {}
    for item in map(json.loads, lines):
        things = tuple(f"{thing.get('color', '')} {thing['class']}".strip() for thing in item["include"])
        placed = [(n, *thing["position"]) for n, thing in enumerate(item["include"]) if "position" in thing]
        case = Case(item["prompt"], things, tuple(placed), item["include"][0]["count"])
        cases.setdefault(item["tag"], []).append(case)
    yield Row("GenEval, position", cases["position"], geneval_position)
    for tag, title in {"counting": "counting", "colors": "colours", "color_attr": "colours of two"}.items():
        yield Row(f"GenEval, {title}", cases[tag], geneval_count, asks_where=False)


def t2i(folder: Path) -> Iterator[Row]:
    def cases(name: str, form: str, words: Sequence[str]) -> list[Case]:
        text = (folder / f"T2I-CompBench/examples/dataset/{name}.txt").read_text(encoding="utf-8")
        return list(related_cases(text.splitlines(), form, words))

    two_things = r"(?:a|an|the) (.+?) {} (?:a|an|the) (.+)"
    yield Row("T2I-CompBench, spatial", cases("spatial", two_things, T2I_WORDS), t2i_compbench)
    in_depth = cases("3d_spatial", two_things, DEPTH_WORDS)
    yield Row("T2I-CompBench, 3D", in_depth, stated)
    yield Row("T2I-CompBench, 3D, times overlap", in_depth, t2i_overlap)
    one_sentence = r"the ([^,]+?) (?:is|was|are|were) {} the ((?:(?! and ).)+?)\.?"
    yield Row("T2I-CompBench, complex, one relation", cases("complex", one_sentence, T2I_WORDS), t2i_compbench)


def vsr(folder: Path) -> Iterator[Row]:
    path = folder / "visual-spatial-reasoning/data/data_files/all_vsr_validated_data.jsonl"
    captions = {}
    for item in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        if item["relation"] in RELATION_OF or f"-{item['relation']}" in RELATION_OF:
            captions[item["caption"]] = item["relation"]
    cases = [
        case
        for caption, relation in captions.items()
        for case in related_cases([caption], r"the (.+?) (?:is )?{} the (.+?)\.?", [relation])
    ]
    for name in NAMES:
        yield Row(f"VSR, {name}", [case for case in cases if case.relations[0][1] == name], stated)


def visor_phrases(folder: Path) -> Iterator[Row]:
    """Each two of COCO's classes in each order and relation, as `create_spatial_phrases.py` of its repository does."""
    words = {"left of": "to the left of", "right of": "to the right of", "above": "above", "below": "below"}
    cases = [
        Case(f"{with_article(a)} {words[name]} {with_article(b)}", (a, b), ((0, name, 1),))
        for (a, b), name in product(permutations(COCO, 2), words)
    ]
    yield Row("VISOR", random.Random("VISOR").sample(cases, VISOR_SAMPLE), visor)


def spatialbench_uc(folder: Path) -> Iterator[Row]:
    path = folder / "SpatialBench-UC/data/prompts/v1.0.1/prompts.jsonl"
    cases = []
    for item in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        relation = RELATION_OF[item["relation"].replace("_", " ")]
        cases.append(Case(item["prompt"], (item["object_a"]["name"], item["object_b"]["name"]), ((0, relation, 1),)))
    yield Row("SpatialBench-UC, passed", cases, passed)
    yield Row("SpatialBench-UC, decided", cases, decided)


def dsg(folder: Path) -> Iterator[Row]:
    """Its tuples are noisy: clothes and limbs are entities there, and relations of any wording."""
    things: dict[str, list[str]] = {}
    relations: dict[str, list[tuple[str, str, str]]] = {}
    with (folder / "DSG/dsg/data/dsg-1k-anns.csv").open(encoding="utf-8", newline="") as file:
        for item in csv.DictReader(file):
            inner = re.search(r"\((.*)\)", item["tuple"])
            parts = [part.strip() for part in inner[1].split(",")] if inner else []
            if item["category_detailed"] == "whole" and len(parts) == 1:
                things.setdefault(item["text"], []).append(parts[0])
            elif item["category_detailed"] == "spatial" and len(parts) == 3 and parts[2] in RELATION_OF:
                relations.setdefault(item["text"], []).append((parts[0], RELATION_OF[parts[2]], parts[1]))
    cases = [Case(text, tuple(dict.fromkeys(names))) for text, names in things.items()]
    yield Row("DSG-1k, things", cases, all_found, asks_where=False)
    cases = []
    for text, told in relations.items():
        names = tuple(dict.fromkeys(name for a, _, b in told for name in (a, b)))
        numbered = ((names.index(a), relation, names.index(b)) for a, relation, b in told if a != b)
        cases.append(Case(text, names, tuple(numbered)))
    yield Row("DSG-1k, relations", [case for case in cases if case.relations], stated)


SETS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "geneval": geneval, "T2I-CompBench": t2i, "visual-spatial-reasoning": vsr, "VISOR": visor_phrases,
    "SpatialBench-UC": spatialbench_uc, "DSG": dsg,
}  # fmt: skip
DEVELOPMENT = ("T2I-CompBench", "visual-spatial-reasoning", "DSG")  # whose misses were read, and words or rules added


def related_cases(lines: Iterable[str], form: str, relations: Sequence[str]) -> Iterator[Case]:
    """Those of some sentences that have a form, a regular expression with {} for what relates the two things."""
    pattern = re.compile(form.format(f"({'|'.join(relations)})"), re.IGNORECASE)
    for line in dict.fromkeys(map(str.strip, lines)):
        if match := pattern.fullmatch(line):
            first, words, second = (part.lower() for part in match.groups())
            is_inverse = f"-{words}" in RELATION_OF
            things = (second, first) if is_inverse else (first, second)
            yield Case(line, things, ((0, RELATION_OF[f"-{words}" if is_inverse else words], 1),))


# --- What is compared -------------------------------------------------------------------------------------------


def regions_of_things(layout: Layout, things: Sequence[str]) -> list[list[Region]]:
    """The regions of each thing; two things of one name share theirs."""
    return [
        named(layout, thing)[things[:number].count(thing) :: things.count(thing)]
        for number, thing in enumerate(things)
    ]


def named(layout: Layout, thing: str) -> list[Region]:
    """The regions whose phrase is a thing's name, but for articles, numbers and endings; else those that end in it."""
    names = [words_of(region.phrase) for region in layout.regions]
    name = words_of(thing)
    exact = [region for region, words in zip(layout.regions, names) if same(words, name)]
    return exact or [region for region, words in zip(layout.regions, names) if same(words[-len(name) :], name)]


def words_of(phrase: str) -> list[str]:
    words = re.findall(r"[\w'-]+", phrase.lower())
    return [word for word in words if word not in DETERMINERS and word not in NUMERALS]


def same(words: list[str], name: list[str]) -> bool:
    """Whether two names are one but for the ending of the last word."""
    ends = [{part[-1], part[-1].removesuffix("s"), part[-1].removesuffix("es")} for part in (words, name) if part]
    return words[:-1] == name[:-1] and len(ends) == 2 and not ends[0].isdisjoint(ends[1])


def random_boxes(case: Case) -> Layout:
    """The things that are named, each in a box of random sides between a tenth and a half of the picture's."""
    dice, regions = random.Random(case.prompt), []
    for thing in case.things:
        width, height = dice.uniform(0.1, 0.5), dice.uniform(0.1, 0.5)
        x, y = dice.uniform(0, 1 - width), dice.uniform(0, 1 - height)
        regions.append(Region(thing, box=(x, y, x + width, y + height)))
    return Layout(tuple(regions))


def ordered_boxes(case: Case) -> Layout:
    """The things that are named, side by side in the order in which the prompt names them."""
    text = case.prompt.lower()
    things = sorted(case.things, key=lambda thing: text.find(thing))
    width = 1 / len(things)
    return Layout(tuple(Region(thing, box=(width * n, 0.25, width * (n + 1), 0.75)) for n, thing in enumerate(things)))


BASELINES = {"random boxes": random_boxes, "order of words": ordered_boxes}


def seen_before() -> Callable[[str], bool]:
    """Tells of a prompt whether the reader was trained on it, or measured on it while it was made."""
    sys.path.insert(1, str(READING))
    from kept_out import digest, is_kept_out
    from markup import read

    trained = {digest(marked.prompt) for marked in read(*sorted((READING / "marked").glob("*.txt")))}
    return lambda prompt: digest(prompt) in trained or is_kept_out(prompt)


def parti_prompts(folder: Path) -> list[str]:
    with (folder / "parti/PartiPrompts.tsv").open(encoding="utf-8", newline="") as file:
        return [item["Prompt"] for item in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def parti(prompts: Sequence[str], predictors: dict[str, Callable[[str], Layout]]) -> None:
    """Prints how long PartiPrompts take, and how many of them fail."""
    for name, predictor in predictors.items():
        times, failed = [], 0
        for prompt in tqdm(prompts, desc=f"PartiPrompts, {name}", leave=False, disable=None):
            start = time.process_time()
            try:
                predictor(prompt)
            except Exception as error:
                failed += 1
                print(f"{prompt!r}: {error!r}", file=sys.stderr)
            times.append(1000 * (time.process_time() - start))
        told = f"{statistics.median(times):.0f} ms a prompt, {max(times):.0f} at most"
        print(f"PartiPrompts, {name}: {failed} of {len(prompts)} fail; {told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with the sets' repositories")
    parser.add_argument("--llm", metavar="ID", help="a language model, by its id or folder, in a column of its own")
    parser.add_argument("--sets", nargs="+", choices=[*SETS, "parti"], help="only these")
    parser.add_argument("--limit", type=int, metavar="N", help="prompts of a row, at most (default: all)")
    parser.add_argument("--dump", type=Path, metavar="FILE", help="what is not right, as JSON lines")
    options = parser.parse_args()
    predictors, asked = {"rules": RuleLayoutPredictor(), "transformer": TransformerLayoutPredictor()}, None
    scored = dict(predictors)
    if options.llm:
        need("xgrammar")
        asked = AskedModel(options.llm)
        predictors[f"{options.llm}, mended"] = asked.mended
        scored |= {f"{options.llm}, as it answers": asked.answered} | predictors
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    planners = BASELINES | {name: cache(partial(_predict, predictor)) for name, predictor in scored.items()}
    is_seen = seen_before()
    dump = options.dump.open("w", encoding="utf-8") if options.dump else None
    columns = ["set", "prompts", "seen", *planners, *(["not answered", "mended"] if asked else [])]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for name, load in SETS.items():
        if options.sets and name not in options.sets:
            continue
        try:
            for row in filter(lambda row: row.cases, load(options.folder)):
                cases = row.cases[: options.limit]
                prompts = [case.prompt for case in cases]
                seen = f"{_percent(map(is_seen, prompts))} %" + (", development" if name in DEVELOPMENT else "")
                shares = [f"{100 * share:.0f} %" for share in asked.shares(prompts)] if asked else []
                cells = [row.title, str(len(cases)), seen, *_scores(row, cases, planners, dump), *shares]
                print(f"| {' | '.join(cells)} |", flush=True)
        except FileNotFoundError as error:
            print(f"| {name}: {error.filename} is not there |", flush=True)
    if not options.sets or "parti" in options.sets:
        prompts = parti_prompts(options.folder)[: options.limit]
        print(f"PartiPrompts: {len(prompts)} prompts, seen {_percent(map(is_seen, prompts))} %", flush=True)
        parti(prompts, predictors)
        if asked:
            silent, mended = (f"{100 * share:.0f} %" for share in asked.shares(prompts))
            print(f"PartiPrompts, {options.llm}: {silent} not answered, {mended} mended", flush=True)


def _predict(predictor: Callable[[str], Layout], case: Case) -> Layout:
    return predictor(case.prompt)


def _percent(flags: Iterable[bool]) -> str:
    return f"{100 * statistics.fmean(flags):.0f}"


def _scores(row: Row, cases: Sequence[Case], planners: dict[str, Callable], dump) -> Iterator[str]:
    """The mean score of each planner, in percent."""
    for name, plan in planners.items():
        if name in BASELINES and not row.asks_where:
            yield ""
            continue
        scores = []
        for case in tqdm(cases, desc=f"{row.title}, {name}", leave=False, disable=None):
            layout = plan(case)
            scores.append(row.judge(case, regions_of_things(layout, case.things)))
            if dump and scores[-1] < 1 and name not in BASELINES:
                told = {"row": row.title, "planner": name, "score": scores[-1]} | case._asdict()
                dump.write(json.dumps(told | {"layout": str(layout)}) + "\n")
        yield f"{100 * statistics.fmean(scores):.1f}"


if __name__ == "__main__":
    main()
