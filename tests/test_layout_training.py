"""What the layout transformer learns from: sizes, imagined scenes, sentences, COCO; and that training goes on."""

import json
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from spacetime_attn.layout.regions import Relation
from spacetime_attn.layout.things import LARGE_THINGS, SMALL_THINGS
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
        import guess_sizes
        import imagined
        import wordnet

        yield SimpleNamespace(
            coco=coco, corpus=corpus, evaluate=evaluate, guess_sizes=guess_sizes, imagined=imagined, wordnet=wordnet
        )


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


def test_captions_are_the_same_for_one_seed_and_others_for_another(scripts):
    first, again, other = ([next(source) for _ in range(5)] for source in map(scripts.corpus.captions, (1, 1, 2)))
    assert first == again and set(first).isdisjoint(other)
    assert all(len(text.split()) > 2 for text in first)


def test_sentences_say_which_of_their_words_name_objects(scripts):
    (found,) = scripts.corpus.understood(["(a red cup:1.3) to the left of two elephants"])
    assert found.text == "a red cup to the left of two elephants"
    assert [found.text[start:end] for start, end in found.spans] == ["a red cup", "two elephants", "two elephants"]
    assert found.heads == ["cup", "elephant", "elephant"] and found.modifiers == [["red"], [], []]
    assert found.relations == [Relation(0, "left of", 1), Relation(0, "left of", 2)]


def test_what_has_no_known_size_is_as_large_as_others_of_its_kinds(scripts, monkeypatch):
    monkeypatch.setattr(scripts.imagined, "all_sizes", scripts.imagined.known_sizes)
    fruit, vehicle = (scripts.imagined.real_size(noun, ()).prod() for noun in ("pear", "bus"))
    assert fruit < 0.1 < 2 < vehicle
    assert (scripts.imagined.real_size("cup", ["tiny"]) < scripts.imagined.real_size("cup", ())).all()


def test_guessed_sizes_stand_beside_known_ones(scripts):
    known, both = scripts.imagined.known_sizes(), scripts.imagined.all_sizes()
    assert len(both) > 10_000 and both.items() >= known.items()
    assert all(min(size) > 0 for size in both.values())


def test_sizes_are_guessed_from_a_language_model_s_state_after_each_name(scripts):
    torch.manual_seed(0)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2
    )
    model = LlamaForCausalLM(config).eval()
    names = ["ant", "cat", "grand piano", "scissors"]
    texts = [scripts.guess_sizes.complete(" {name} is", name, {}) for name in names]
    states = scripts.guess_sizes.read_states(texts, "The size of", model, tokenizer)
    for name, state in zip(("an ant", "a cat", "a grand piano", "scissors"), states):
        ids = tokenizer(f"The size of {name} is", return_tensors="pt", add_special_tokens=False).input_ids
        with torch.no_grad():
            expected = model(ids, output_hidden_states=True).hidden_states[-1][0, -1]
        torch.testing.assert_close(torch.from_numpy(state), expected, atol=1e-5, rtol=1e-4)


def test_a_kernel_regression_guesses_what_is_alike(scripts):
    dice = np.random.default_rng(0)
    states = dice.normal(size=(120, 6)).astype(np.float32)
    sides = states @ np.array([1.0, -0.5, 0.3, 0, 0, 0])
    kernel = scripts.guess_sizes.gaussian_kernel(states, 100)
    assert kernel.shape == (120, 100) and np.allclose(np.diag(kernel), 1, atol=1e-4)
    guessed = scripts.guess_sizes.regress(kernel, sides[:100])[100:]
    assert np.corrcoef(guessed, sides[100:])[0, 1] > 0.9
    assert scripts.guess_sizes.order_score(kernel[:100], sides[:100]) > 0.9
    assert scripts.guess_sizes.order_score(kernel[:100], dice.permutation(sides[:100])) < 0.7


def test_definitions_are_those_of_the_first_sense_that_is_a_thing(scripts, tmp_path):
    synset = "{} {} n {:02x} {} 000 | {}  \n"
    rows = [
        synset.format("00000001", "18", 2, "bat 0 fool 0", "a person"),
        synset.format("00000002", "05", 1, "bat 0", 'an animal that flies; "bats hang"'),
        synset.format("00000003", "06", 2, "hot-air_balloon 0 Bat 0", "a vehicle; it rises"),
        synset.format("00000004", "06", 1, "Titanic 0", "a ship"),
    ]
    (tmp_path / "data.noun").write_text("  1 licence\n" + "".join(rows))
    index = ["bat n 2 0 2 0 00000001 00000002", "fool n 1 0 1 0 00000001", "hot-air_balloon n 1 0 1 0 00000003"]
    (tmp_path / "index.noun").write_text("\n".join(["  1 licence", *index, "titanic n 1 0 1 0 00000004"]))
    found = scripts.wordnet.read_definitions(tmp_path)
    assert found == {"bat": "an animal that flies", "hot air balloon": "a vehicle; it rises"}
    ending = "{name}{definition}. The size of {name} is"
    assert scripts.guess_sizes.complete(ending, "bat", found) == "a bat is an animal that flies. The size of a bat is"
    assert scripts.guess_sizes.complete(ending, "scissors", found) == "scissors. The size of scissors is"


def test_compounds_are_listed_where_their_last_words_say_another_size(scripts):
    guessed = {"iron park bench": 0.4, "park bench": 0.45, "work bench": 1.5, "hot dog": -2.3, "hot dogs": 3.0}
    guessed |= {"toy dog": -0.6, "toy bench": -1.9, "tub": 0.3}
    listed = scripts.guess_sizes.worth_listing(guessed, {"bench": 0.4, "dog": -0.5})
    assert listed == {"work bench": 1.5, "hot dog": -2.3, "toy dog": -0.6, "tub": 0.3}


def test_guessed_sizes_are_written_as_they_are_read(scripts, tmp_path):
    scripts.guess_sizes.write_sides(tmp_path / "sizes.txt", {"cat": 0.4512, "ox": 1.4, "dog": 0.449, "whale": 12.34})
    assert scripts.imagined.read_sides(tmp_path / "sizes.txt") == {"cat": 0.45, "dog": 0.45, "ox": 1.4, "whale": 12}


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

    assert scripts.evaluate.size_order(predict, things, 10) == (part, 10)


def test_training_writes_a_model_and_goes_on_where_it_stopped(tmp_path):
    command = [sys.executable, FOLDER / "train.py", "--folder", tmp_path, "--sentences", "40", "--batch-size", "8"]
    for steps in (1, 2):
        subprocess.run([*command, "--steps", str(steps), "--device", "cpu"], check=True, capture_output=True)
        assert torch.load(tmp_path / "state.pt")["step"] == steps
    model = LayoutTransformer.from_pretrained(tmp_path / "model")
    assert model.config.vocabulary == torch.load(tmp_path / "state.pt")["vocabulary"]
