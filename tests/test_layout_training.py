"""What the layout transformer learns from: sizes, imagined scenes, sentences, COCO; and that training goes on."""

import json
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch

from spacetime_attn.layout.lexicon import LARGE_THINGS, SMALL_THINGS
from spacetime_attn.layout.regions import Relation
from spacetime_attn.layout.transformer import LayoutTransformer


FOLDER = Path(__file__).parents[1] / "examples" / "layouts"


@pytest.fixture(scope="module")
def scripts():
    """The scripts in examples/layouts, whose module names are for these tests alone."""
    with mock.patch.dict(sys.modules), mock.patch.object(sys, "path", [str(FOLDER), *sys.path]):
        for path in FOLDER.glob("*.py"):
            sys.modules.pop(path.stem, None)
        import coco
        import corpus
        import evaluate
        import imagined

        yield SimpleNamespace(coco=coco, corpus=corpus, evaluate=evaluate, imagined=imagined)


def area(box):
    x0, y0, x1, y1 = box
    return (x1 - x0) * (y1 - y0)


def sentence(scripts, text, *phrases, relations=()):
    """A sentence whose objects are named by their phrases, of which the last word is the noun."""
    spans = [(text.index(phrase), text.index(phrase) + len(phrase)) for phrase in phrases]
    words = [phrase.split() for phrase in phrases]
    return scripts.corpus.Sentence(text, spans, [w[-1] for w in words], [w[:-1] for w in words], list(relations))


def test_what_is_held_out_is_known_neither_to_the_corpus_nor_to_the_rules(scripts):
    held_out = scripts.imagined.sizes("held_out").keys()
    assert len(held_out) >= 50 and held_out.isdisjoint(scripts.imagined.known_sizes())
    assert held_out.isdisjoint(SMALL_THINGS | LARGE_THINGS)
    texts = ["a helicopter and a dog", "two bananas", "an elephant beside a cup"]
    assert [found.text for found in scripts.corpus.understood(texts)] == texts[2:]


def test_what_has_no_known_size_is_as_large_as_others_of_its_kinds(scripts):
    fruit, vehicle = (scripts.imagined.real_size(noun, ()).prod() for noun in ("pear", "bus"))
    assert fruit < 0.1 < 2 < vehicle
    assert (scripts.imagined.real_size("cup", ["tiny"]) < scripts.imagined.real_size("cup", ())).all()


@pytest.mark.parametrize("aspect_ratio", [0.5, 1.0, 2.0])
def test_larger_things_are_imagined_larger_where_the_sentence_says(scripts, aspect_ratio):
    dice, relations = random.Random(0), [Relation(0, "left of", 1)]
    for _ in range(20):
        elephant, cup = scripts.imagined.imagine(["elephant", "cup"], [(), ()], relations, aspect_ratio, dice)
        assert elephant[0] + elephant[2] < cup[0] + cup[2] and area(elephant) > 2 * area(cup)
        assert min(elephant.min(), cup.min()) >= 0 and max(elephant.max(), cup.max()) <= 1


def test_a_sentence_may_be_about_other_things_and_still_marks_their_names(scripts):
    first = sentence(scripts, "the red dog and a cat near it", "the red dog", "a cat")
    others = [first.about_others(random.Random(seed)) for seed in range(20)]
    assert len({other.text for other in others}) > 5
    for other in others:
        for (start, end), head, words in zip(other.spans, other.heads, other.modifiers):
            assert other.text[start:end].endswith(head) and all(word in other.text[start:end] for word in words)
        assert other.text.startswith("the red ") and other.text.endswith(" near it")


def test_captions_of_coco_get_the_boxes_of_its_instances(scripts, tmp_path):
    captions, instances = tmp_path / "captions.json", tmp_path / "instances.json"
    texts = ["A woman next to a dining table.", "A dog on a couch."]
    captions.write_text(json.dumps({"annotations": [{"image_id": 7, "caption": text} for text in texts]}))
    data = {
        "images": [{"id": 7, "width": 200, "height": 100}],
        "categories": [{"id": 1, "name": "person"}, {"id": 67, "name": "dining table"}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [20, 10, 40, 80], "area": 3200, "iscrowd": 0},
            {"image_id": 7, "category_id": 67, "bbox": [100, 50, 100, 50], "area": 5000, "iscrowd": 0},
        ],
    }
    instances.write_text(json.dumps(data))
    with mock.patch.object(scripts.corpus, "sizes", lambda split: {"nothing": (1, 1)}):
        (found,) = scripts.coco.coco_sentences(captions, instances)
    boxes, aspect_ratio = found.scene(random.Random(0))
    assert found.text == texts[0] and aspect_ratio == 2
    assert boxes == [pytest.approx([0.1, 0.1, 0.3, 0.9]), pytest.approx([0.5, 0.5, 1.0, 1.0])]


@pytest.mark.parametrize(("sign", "part"), [(1, 1.0), (-1, 0.0)])
def test_the_order_of_sizes_is_scored_by_the_areas_of_boxes(scripts, sign, part):
    things = {"elephant": (5.0, 3.0), "cup": (0.1, 0.1)}

    def predict(prompt):
        """The larger thing larger, or smaller."""
        names = sorted(things, key=prompt.index)
        sides = [0.5 + sign * (0.1 if name == "elephant" else -0.1) for name in names]
        return SimpleNamespace(regions=[SimpleNamespace(bounds=(0, 0, side, side)) for side in sides])

    with mock.patch.object(scripts.evaluate, "sizes", lambda split: things):
        assert scripts.evaluate.size_order(predict, "train", 10) == (part, 10)


def test_training_writes_a_model_and_goes_on_where_it_stopped(tmp_path):
    command = [sys.executable, FOLDER / "train.py", "--folder", tmp_path, "--sentences", "40", "--batch-size", "8"]
    for steps in (1, 2):
        subprocess.run([*command, "--steps", str(steps), "--device", "cpu"], check=True, capture_output=True)
        assert torch.load(tmp_path / "state.pt")["step"] == steps
    model = LayoutTransformer.from_pretrained(tmp_path / "model")
    assert model.config.vocabulary == torch.load(tmp_path / "state.pt")["vocabulary"]
