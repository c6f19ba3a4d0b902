"""The benchmark of planners: rules of scoring on boxes drawn by hand, and sets in the forms that they have."""

import json
import sys
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest

from spacetime_attn import LLMLayoutPredictor, RuleLayoutPredictor
from spacetime_attn.layout.regions import Layout, Region


FOLDER = Path(__file__).parents[1] / "examples" / "layouts"


@pytest.fixture(scope="module")
def benchmark():
    """The script, whose imports from beside the reader are for these tests alone."""
    with mock.patch.dict(sys.modules), mock.patch.object(sys, "path", [str(FOLDER), *sys.path]):
        import benchmark

        yield benchmark


def regions(**boxes):
    """One region for each thing; a list of boxes makes several."""
    listed = {name: box if isinstance(box, list) else [box] for name, box in boxes.items()}
    return [[Region(name, box=box) for box in listed[name]] for name in listed]


def case(benchmark, relation, things=("a", "b"), prompt="", count=1):
    return benchmark.Case(prompt, things, ((0, relation, 1),) if relation else (), count)


LEFT, RIGHT, LOW = (0.1, 0.4, 0.3, 0.6), (0.6, 0.4, 0.8, 0.6), (0.1, 0.7, 0.3, 0.9)


# --- Rules ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        (LEFT, RIGHT, {"left of"}),
        (LOW, LEFT, {"below"}),
        ((0.1, 0.1, 0.3, 0.3), (0.6, 0.6, 0.8, 0.8), {"left of", "above"}),
        ((0.1, 0.1, 0.9, 0.5), (0.2, 0.15, 1.0, 0.55), set()),  # within a tenth of both sides
        (LEFT, LEFT, set()),
    ],
)
def test_directions_are_those_of_geneval(benchmark, a, b, told):
    assert benchmark.directions(a, b) == told


def test_geneval_asks_for_a_clear_position_and_the_exact_number(benchmark):
    assert benchmark.geneval_position(case(benchmark, "left of"), regions(a=LEFT, b=RIGHT)) == 1
    assert benchmark.geneval_position(case(benchmark, "above"), regions(a=LEFT, b=RIGHT)) == 0
    assert benchmark.geneval_position(case(benchmark, "left of"), regions(a=LEFT, b=[])) == 0
    for count, score in {1: 0, 2: 1, 3: 0}.items():
        two = regions(a=[LEFT, RIGHT])
        assert benchmark.geneval_count(case(benchmark, None, ("a",), count=count), two) == score


def test_t2i_compbench_scores_softly(benchmark):
    judge = benchmark.t2i_compbench
    assert judge(case(benchmark, "left of"), regions(a=LEFT, b=RIGHT)) == 1
    assert judge(case(benchmark, "right of"), regions(a=LEFT, b=RIGHT)) == 0
    assert judge(case(benchmark, "left of"), regions(a=LEFT, b=(0.2, 0.8, 0.4, 1.0))) == 0  # farther up than left
    half = regions(a=(0.0, 0.0, 0.6, 0.6), b=(0.3, 0.0, 0.9, 0.6))
    assert judge(case(benchmark, "left of"), half) == pytest.approx(0.1 / (1 / 3))
    assert judge(case(benchmark, "next to"), regions(a=LEFT, b=LOW)) == 1
    far = regions(a=(0.0, 0.0, 0.2, 0.2), b=(0.6, 0.8, 0.8, 1.0))
    assert judge(case(benchmark, "next to"), far) == pytest.approx(150 / 512 / 0.8)


def test_t2i_compbench_in_depth_asks_for_overlap_too(benchmark):
    front = case(benchmark, "in front of")
    both = regions(a=(0.2, 0.2, 0.8, 0.9), b=(0.2, 0.2, 0.8, 0.8))
    assert benchmark.stated(front, both) == benchmark.t2i_overlap(front, both) == 1
    apart = regions(a=LOW, b=LEFT)
    assert benchmark.stated(front, apart) == 1 and benchmark.t2i_overlap(front, apart) == 0
    assert benchmark.t2i_overlap(case(benchmark, "behind"), both) == 0


def test_visor_asks_for_any_pair_by_any_distance(benchmark):
    nearly = regions(a=[RIGHT, (0.09, 0.4, 0.29, 0.6)], b=LEFT)
    assert benchmark.visor(case(benchmark, "left of"), nearly) == 1
    assert benchmark.visor(case(benchmark, "above"), nearly) == 0


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (LEFT, RIGHT, True),
        (RIGHT, LEFT, False),
        (LEFT, (0.19, 0.4, 0.39, 0.6), None),  # no more than a tenth of the picture
        (LEFT, [], None),
        (LEFT, [RIGHT, LOW], None),
        ((0.1, 0.4, 0.15, 0.45), RIGHT, None),  # too small to be found
        ((0.0, 0.0, 0.8, 1.0), (0.2, 0.0, 1.0, 1.0), None),  # hidden by each other
    ],
)
def test_spatialbench_abstains(benchmark, a, b, verdict):
    told, found = case(benchmark, "left of"), regions(a=a, b=b)
    assert benchmark.spatialbench(told, found) is verdict
    assert benchmark.passed(told, found) == (verdict is True)
    assert benchmark.decided(told, found) == (verdict is not None)


@pytest.mark.parametrize(
    ("relation", "a", "b", "is_so"),
    [
        ("on", (0.2, 0.2, 0.4, 0.4), (0.1, 0.4, 0.5, 0.6), True),
        ("on", (0.2, 0.45, 0.3, 0.55), (0.1, 0.4, 0.5, 0.6), True),
        ("on", LOW, LEFT, False),
        ("inside", (0.2, 0.2, 0.3, 0.3), (0.1, 0.1, 0.5, 0.5), True),
        ("inside", (0.1, 0.1, 0.5, 0.5), (0.2, 0.2, 0.3, 0.3), False),
        ("behind", LEFT, LOW, True),
        ("in front of", LEFT, LOW, False),
        ("behind", LEFT, RIGHT, False),  # nor before it
        ("next to", LEFT, LOW, True),
        ("next to", (0.0, 0.0, 0.2, 0.2), (0.6, 0.8, 0.8, 1.0), False),
        ("touching", LEFT, (0.31, 0.5, 0.5, 0.7), True),
        ("touching", LEFT, RIGHT, False),
        ("far from", LEFT, RIGHT, True),
        ("far from", LEFT, LOW, False),
    ],
)
def test_what_is_stated_is_seen_in_boxes(benchmark, relation, a, b, is_so):
    assert benchmark.stated(case(benchmark, relation), regions(a=a, b=b)) == is_so


def test_the_order_in_depth_comes_before_lower_edges(benchmark):
    first, second = Region("a", box=LEFT, order=0), Region("b", box=LOW, order=-1)
    assert benchmark.is_nearer(first, second) and not benchmark.is_nearer(second, first)


# --- Names ------------------------------------------------------------------------------------------------------


def test_a_region_is_a_thing_by_its_name(benchmark):
    phrases = ["a bear", "a teddy bear", "two benches", "a bench", "a red cup"]
    layout = Layout([Region(phrase, box=LEFT) for phrase in phrases])

    def found(*things):
        return [[region.phrase for region in part] for part in benchmark.regions_of_things(layout, things)]

    assert found("bear", "teddy bear") == [["a bear"], ["a teddy bear"]]
    assert found("bench", "benchs", "dog") == [["two benches", "a bench"], ["two benches", "a bench"], []]
    assert found("cup") == [["a red cup"]] and found("blue cup") == [[]]


def test_two_things_of_one_name_share_its_regions(benchmark):
    layout = Layout([Region("a cat", box=LEFT), Region("a cat", box=RIGHT)])
    first, second = benchmark.regions_of_things(layout, ("cat", "cat"))
    assert [first[0].box, second[0].box] == [LEFT, RIGHT]


def test_baselines_draw_what_is_named(benchmark):
    told = case(benchmark, "above", ("cup", "dog"), "a dog under a cup")
    drawn = benchmark.random_boxes(told)
    assert drawn.phrases == ["cup", "dog"] and drawn == benchmark.random_boxes(told)
    assert all(0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1 for x0, y0, x1, y1 in (region.box for region in drawn))
    assert benchmark.ordered_boxes(told).phrases == ["dog", "cup"]


# --- Sets -------------------------------------------------------------------------------------------------------


@pytest.fixture
def sets(tmp_path):
    """A few sentences of our own in the form of each set."""

    def write(path, *lines):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        told = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        (tmp_path / path).write_text("\n".join(told) + "\n", encoding="utf-8")

    lamp, drum = {"class": "lamp", "count": 1}, {"class": "drum", "count": 1, "position": ["left of", 0]}
    write(
        "geneval/prompts/evaluation_metadata.jsonl",
        {"tag": "position", "include": [lamp, drum], "prompt": "a photo of a drum left of a lamp"},
        {"tag": "counting", "include": [{"class": "goat", "count": 3}], "prompt": "a photo of three goats"},
        {"tag": "colors", "include": [lamp | {"color": "red"}], "prompt": "a photo of a red lamp"},
        {"tag": "color_attr", "include": [lamp | {"color": "red"}], "prompt": "a photo of a red lamp"},
    )
    write("T2I-CompBench/examples/dataset/spatial.txt", "a drum on the top of a lamp", "a goat near a drum")
    write("T2I-CompBench/examples/dataset/3d_spatial.txt", "a goat hidden by a drum")
    write(
        "T2I-CompBench/examples/dataset/complex.txt",
        "The red drum was on top of the old lamp.",
        "The goat ate the hat and the shoe.",
        "The cup was next to the pot and the pan.",
    )
    write(
        "visual-spatial-reasoning/data/data_files/all_vsr_validated_data.jsonl",
        {"caption": "The goat is at the left side of the drum.", "relation": "at the left side of"},
        {"caption": "The drum contains the goat.", "relation": "contains"},
        {"caption": "The goat is into the drum.", "relation": "into"},
        {"caption": "The goat is beyond the drum.", "relation": "beyond"},
        {"caption": "The goat is facing the drum.", "relation": "facing"},
        {"caption": "The goat is between the drum.", "relation": "between"},
    )
    write(
        "SpatialBench-UC/data/prompts/v1.0.1/prompts.jsonl",
        {
            "relation": "left_of", "object_a": {"name": "goat"}, "object_b": {"name": "drum"},
            "prompt": "A photo of a goat to the left of a drum.",
        },
    )  # fmt: skip
    write(
        "DSG/dsg/data/dsg-1k-anns.csv",
        "item_id,text,category_detailed,tuple",
        'a_1,"a goat on a drum",whole,entity - whole (goat)',
        'a_1,"a goat on a drum",spatial,"relation - spatial (goat, drum, on)"',
        'a_1,"a goat on a drum",spatial,"relation - spatial (goat, drum, made from)"',
    )
    write("parti/PartiPrompts.tsv", "Prompt\tCategory\tChallenge\tNote", "a goat\tAnimals\tBasic\t")
    return tmp_path


def test_sets_are_read_in_the_forms_that_they_have(benchmark, sets):
    rows = {row.title: row.cases for load in benchmark.SETS.values() for row in load(sets)}
    assert rows["GenEval, position"] == [
        benchmark.Case("a photo of a drum left of a lamp", ("lamp", "drum"), ((1, "left of", 0),))
    ]
    assert rows["GenEval, counting"] == [benchmark.Case("a photo of three goats", ("goat",), (), 3)]
    assert rows["GenEval, colours"][0].things == ("red lamp",)
    assert [told.relations[0][1] for told in rows["T2I-CompBench, spatial"]] == ["above", "next to"]
    assert rows["T2I-CompBench, 3D"][0].relations == ((0, "behind", 1),)
    assert [told.things for told in rows["T2I-CompBench, complex, one relation"]] == [("red drum", "old lamp")]
    assert rows["VSR, left of"][0].things == ("goat", "drum")
    assert [told.things for told in rows["VSR, inside"]] == [("goat", "drum")] * 2  # what is contained first
    assert [told.prompt for told in rows["VSR, behind"]] == ["The goat is beyond the drum."]
    assert sum(len(cases) for title, cases in rows.items() if title.startswith("VSR")) == 4
    assert rows["DSG-1k, relations"] == [benchmark.Case("a goat on a drum", ("goat", "drum"), ((0, "on", 1),))]
    assert len(rows["VISOR"]) == len({told.prompt for told in rows["VISOR"]}) == 2000


def test_it_prints_a_row_for_each_set_and_says_what_is_missing(benchmark, sets, monkeypatch, capsys, tmp_path):
    (sets / "SpatialBench-UC/data/prompts/v1.0.1/prompts.jsonl").unlink()
    dump = tmp_path / "wrong.jsonl"
    arguments = ["benchmark.py", str(sets), "--limit", "3", "--dump", str(dump)]
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(benchmark.logging, "disable", lambda level: None)
    benchmark.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| set | prompts | seen | random boxes | order of words | rules | transformer |"
    scores = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1:] for line in lines}
    assert scores["GenEval, position"][-2:] == ["100.0", "100.0 |"] and scores["VISOR"][0] == "3"
    assert scores["GenEval, counting"][2:4] == ["", ""]
    assert scores["VISOR"][1] == "0 %" and scores["VSR, inside"][1] == "0 %, development"
    assert any("SpatialBench-UC" in line and "is not there" in line for line in lines)
    assert lines[-3] == "PartiPrompts: 1 prompts, seen 0 %" and "PartiPrompts, rules: 0 of 1 fail" in lines[-2]
    assert all(json.loads(line)["score"] < 1 for line in dump.read_text(encoding="utf-8").splitlines())


def test_prompts_that_were_trained_on_are_seen(benchmark):
    is_seen = benchmark.seen_before()
    from markup import read

    known = read(FOLDER.parent / "reading" / "marked" / "everyday.txt")[0].prompt
    assert is_seen(known) and is_seen(known.upper() + "!") and not is_seen("a drum left of a lamp, twice")


# --- A language model -------------------------------------------------------------------------------------------


def answers_with(place):
    """A model that puts each of the things it is told where `place` says, by its number; "" where that is None."""

    def answer(text):
        things = json.loads(text.split("### Request\n")[3].partition("\n\n### Answer")[0])["things"]
        placed = [{"phrase": phrase, "box": place(int(number))} for number, phrase in things.items()]
        return "" if None in [item["box"] for item in placed] else json.dumps({"objects": placed, "relations": []})

    return answer


SILENT = answers_with(lambda number: None)
ON_ONE_SPOT = answers_with(lambda number: [0.3, 0.3, 0.7, 0.7])
GOOD = answers_with(lambda number: [LEFT, RIGHT][number])
DRUM_AND_LAMP = "a drum left of a lamp"


@pytest.mark.parametrize(
    "model, boxes, shares",
    [
        (SILENT, [], (1, 0)),
        (ON_ONE_SPOT, [(0.3, 0.3, 0.7, 0.7)] * 2, (0, 1)),
        (GOOD, [LEFT, RIGHT], (0, 0)),
    ],
)
def test_answers_are_known_as_they_come_and_as_they_are_mended(benchmark, model, boxes, shares):
    asked = benchmark.AskedModel(model)
    assert [region.box for region in asked.answered(DRUM_AND_LAMP).regions] == boxes
    assert asked.mended(DRUM_AND_LAMP) == LLMLayoutPredictor(model)(DRUM_AND_LAMP)
    assert asked.shares([DRUM_AND_LAMP]) == asked.shares() == shares


def test_what_is_not_answered_is_the_rules_work(benchmark):
    asked = benchmark.AskedModel(SILENT)
    assert asked.mended(DRUM_AND_LAMP) == RuleLayoutPredictor()(DRUM_AND_LAMP)


@pytest.mark.parametrize("names", [["a drum"], ["a drum", "a drum", "a lamp"]], ids=["too few", "too many"])
def test_what_mending_adds_or_takes_away_is_not_the_answers(benchmark, names):
    objects = [{"phrase": name, "box": box} for name, box in zip(names, [LEFT, (0.1, 0.1, 0.2, 0.2), RIGHT])]
    asked = benchmark.AskedModel(lambda text: json.dumps({"objects": objects}))
    assert asked.answered(DRUM_AND_LAMP).phrases == names
    assert sorted(asked.mended(DRUM_AND_LAMP).phrases) == ["a drum", "a lamp"]
    assert asked.shares() == (0, 1)


def test_each_prompt_is_asked_once(benchmark):
    texts = []
    asked = benchmark.AskedModel(lambda text: texts.append(text) or GOOD(text))
    for _ in range(2):
        asked.answered(DRUM_AND_LAMP), asked.mended(DRUM_AND_LAMP), asked.shares([DRUM_AND_LAMP])
    assert len(texts) == 1


@pytest.mark.parametrize(
    "model, told", [(SILENT, ["0.0", "100.0", "100 %", "0 %"]), (ON_ONE_SPOT, ["0.0", "100.0", "0 %", "100 %"]),
                    (GOOD, ["100.0", "100.0", "0 %", "0 %"])]
)  # fmt: skip
def test_a_language_model_is_scored_as_it_answers_and_mended(benchmark, sets, monkeypatch, capsys, model, told):
    asked_model = benchmark.AskedModel
    monkeypatch.setattr(benchmark, "AskedModel", lambda name: asked_model(model))
    monkeypatch.setattr(benchmark, "need", lambda module: None)
    monkeypatch.setattr(benchmark.logging, "disable", lambda level: None)
    monkeypatch.setattr(
        sys, "argv", ["benchmark.py", str(sets), "--llm", "mine", "--sets", "SpatialBench-UC", "parti"]
    )
    benchmark.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("| rules | transformer | mine, as it answers | mine, mended | not answered | mended |")
    assert lines[2].startswith("| SpatialBench-UC, passed |")
    assert lines[2].removesuffix(" |").split(" | ")[-4:] == told
    assert lines[-2].startswith("PartiPrompts, mine, mended: 0 of 1 fail")
    assert lines[-1] == f"PartiPrompts, mine: {told[-2]} not answered, 0 % mended"


def test_a_model_that_cannot_be_loaded_ends_it_at_once(benchmark, monkeypatch, tmp_path):
    pytest.importorskip("transformers")
    for name in ("xgrammar", "xgrammar.contrib", "xgrammar.contrib.hf"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr("spacetime_attn.layout.llm.find_spec", lambda name: True)
    with pytest.raises(SystemExit, match="The language model '.*gone' cannot be loaded: .*gone"):
        benchmark.AskedModel(str(tmp_path / "gone"))


def test_the_other_evaluation_tells_the_language_model_from_the_transformer(benchmark, monkeypatch, capsys):
    import evaluate

    asked, made = benchmark.AskedModel(SILENT), []
    monkeypatch.setattr(evaluate, "AskedModel", lambda name: made.append(name) or asked)
    monkeypatch.setattr(
        evaluate, "TransformerLayoutPredictor", lambda model: made.append(model) or RuleLayoutPredictor()
    )
    monkeypatch.setattr(evaluate, "need", lambda module: None)
    monkeypatch.setattr(evaluate, "relation_scores", lambda predictor, folder, limit: {})
    monkeypatch.setattr(evaluate, "size_order", lambda predictor, things, pairs: (len(predictor("a cat")), 1))
    options = ["--predictors", "transformer", "--model", "weights", "--llm", "mine"]
    monkeypatch.setattr(sys, "argv", ["evaluate.py", "folder", *options])
    evaluate.main()
    lines = capsys.readouterr().out.splitlines()
    assert made == ["mine", "weights"]
    assert [line for line in lines if line and line[0] != " "][:-1] == [
        "transformer",
        "mine, as it answers",
        "mine, mended",
    ]
    assert lines[-1] == "mine: 100 % of the prompts not answered, 0 % mended"
