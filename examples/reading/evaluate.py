"""
Scores what is read of prompts, and where it is placed:

    python examples/reading/evaluate.py FOLDER [--nlp PIPELINE] [--predictor transformer] [--dump ERRORS]

FOLDER holds score.py, with a function `score(records, layouts, errors_file)`, and in dev/ the development sets (JSON
lines with "id", "prompt" and the ground truth). The prompts in fresh/, fresh_more/ and fresh_last/ beside this script
are scored too, by kind and together; and those of fresh_again/, the ones of fresh/ marked a second time, against the
first marks: nothing can be read better than two readers agree. The marked prompts that training left out are scored as
well.
"""

import argparse
import importlib.util
import json
import logging
import warnings
from pathlib import Path
from types import ModuleType

from corpus import is_development, marked_prompts
from ground_truth import ground_truth
from markup import read
from tqdm import tqdm

from spacetime_attn import RuleLayoutPredictor, TransformerLayoutPredictor


HERE = Path(__file__).parent
KINDS = ("tags", "photo", "art", "messy", "dense", "prose", "plain")
COLUMNS = {"obj": "found", "prec": "prec", "relM": "relM", "relA": "relA", "promptA": "promptA", "axis": "axis"}


def marked_set(folder: str, name: str) -> list[dict]:
    """The prompts of a marked file beside this script, as ground truth."""
    records = read(HERE / folder / f"{name}.txt")
    return [ground_truth(record, f"{folder}-{name}-{number:03}") for number, record in enumerate(records)]


def development_sets(folder: Path) -> dict[str, list[dict]]:
    """The sets of JSON lines in a folder; of real prompts those of ImageReward apart, too."""
    sets = {path.stem: _lines(path) for path in sorted(folder.glob("*.jsonl"))}
    if "real_dev" in sets:
        sets["real_dev, ImageReward"] = [record for record in sets["real_dev"] if record.get("source") == "ir"]
    return sets


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def predictions(predictor, records: list[dict]) -> dict[str, dict]:
    """What the predictor makes of prompts, as score.py takes it."""
    result = {}
    for record in tqdm(records, leave=False):
        layout = predictor(record["prompt"])
        objects = [{"phrase": region.phrase, "box": list(region.bounds)} for region in layout.regions]
        relations = [relation.to_dict() for relation in layout.relations]
        result[record["id"]] = {"objects": objects, "relations": relations}
    return result


def load_scorer(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("score", folder / "score.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(title: str, scores: dict) -> str:
    cells = [f"{name} {scores[key]:5.1f}" for key, name in COLUMNS.items() if scores[key] is not None]
    absent = "" if scores["excl_violated"] is None else f"  absent with a region {scores['excl_violated']:.1f} %"
    return f"{title:24}{scores['prompts']:4}  " + "  ".join(cells) + absent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with score.py and dev/*.jsonl, see above")
    parser.add_argument("--nlp", help="spaCy pipeline with a reader, name or folder (default: what ships)")
    parser.add_argument(
        "--predictor", choices=("transformer", "rules"), default="transformer", help="default: %(default)s"
    )
    parser.add_argument("--sets", nargs="*", help="only these, by the names that it prints")
    parser.add_argument("--dump", type=Path, help="file for the errors, JSON lines")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    score = load_scorer(options.folder).score
    kind = TransformerLayoutPredictor if options.predictor == "transformer" else RuleLayoutPredictor
    predictor = kind(nlp=options.nlp)
    sets = development_sets(options.folder / "dev")
    fresh = {name: marked_set("fresh", name) for name in (*KINDS, "absent", "dsg")}
    sets |= {f"fresh: {name}": records for name, records in fresh.items()}
    sets["fresh: all seven"] = [record for name in KINDS for record in fresh[name]]
    for title in ("more", "last"):
        later = {name: marked_set(f"fresh_{title}", name) for name in KINDS}
        sets |= {f"{title}: {name}": records for name, records in later.items()}
        sets[f"{title}: all seven"] = [record for records in later.values() for record in records]
    left_out = [record for record in marked_prompts() if is_development(record)]
    sets["marked, left out"] = [ground_truth(one, f"marked-{number:03}") for number, one in enumerate(left_out)]
    known: dict[str, dict] = {}
    dump = options.dump.open("w", encoding="utf-8") if options.dump else None
    for title, records in sets.items():
        if options.sets and title not in options.sets:
            continue
        known |= predictions(predictor, [record for record in records if record["id"] not in known])
        print(row(title, score(records, known, None if title.endswith("all seven") else dump)), flush=True)
    if not options.sets:
        _print_agreement(score, fresh)


def _print_agreement(score, fresh: dict[str, list[dict]]) -> None:
    """The second marks as if they were read, without boxes: objects found, and precision."""
    records, seconds = [], {}
    for name in KINDS:
        second = marked_set("fresh_again", name)
        records += fresh[name]
        for one, first in zip(second, fresh[name], strict=True):
            places = {phrase: index for index, phrase in enumerate(one["objects"])}
            relations = [
                {"subject": places[r["subject"]], "relation": r["relation"], "object": places[r["object"]]}
                for r in one["relations"]
            ]
            objects = [{"phrase": phrase, "center": [0.5, 0.5]} for phrase in one["objects"]]
            seconds[first["id"]] = {"objects": objects, "relations": relations}
    scores = score(records, seconds)
    print(
        f"two readers of the seven kinds: found {scores['obj']:.1f}  prec {scores['prec']:.1f}"
        f"  relations {scores['triple']:.1f}"
    )


if __name__ == "__main__":
    main()
