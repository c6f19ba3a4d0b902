"""The layout transformer: its mixtures, its marks, saving and loading, and the predictor around it."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline

from spacetime_attn import Layout, Region, Relation, RuleLayoutPredictor, SpaceTimeAttnPipeline
from spacetime_attn.layout import learned
from spacetime_attn.layout.learned import TransformerLayoutPredictor, with_contents
from spacetime_attn.layout.llm import LLMLayoutPredictor
from spacetime_attn.layout.things import kinds_of
from spacetime_attn.layout.transformer import BoxMixture, LayoutTransformer


LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
VOCABULARY = ["[PAD]", "[UNK]", "dog", "cat", "two", "red", "left", "of", "the", "lamp", "##post", "##s", *LETTERS]
VOCABULARY += [f"##{letter}" for letter in LETTERS if letter != "s"]


@pytest.fixture
def model() -> LayoutTransformer:
    torch.manual_seed(0)
    return LayoutTransformer(VOCABULARY, {"dog": 0.7}, width=20, layers=2, heads=2).eval()


def mixture(model, prompt: str, spans, aspect_ratio: float = 1.0, noun: str = "thing", side: float = 0) -> BoxMixture:
    ids, marked = model.encode(prompt, spans)
    kinds, sides = [kinds_of(noun)] * len(spans), [float(side)] * len(spans)
    with torch.no_grad():
        return model(*(torch.tensor(part) for part in ([ids], [marked], [kinds], [sides], [aspect_ratio])))


def test_sub_words_of_a_phrase_are_marked(model):
    ids, marked = model.encode("The red lampposts left of two dogs", [(4, 17), (26, 34)])
    tokens = [VOCABULARY[number] for number in ids]
    assert tokens == ["the", "red", "lamp", "##post", "##s", "left", "of", "two", "dog", "##s"]
    assert [[token for token, mark in zip(tokens, row) if mark] for row in marked] == [tokens[1:5], tokens[7:]]


def test_unknown_words_and_other_scripts_are_spelled_or_unknown(model):
    ids, _ = model.encode("zq 犬", [])
    assert [VOCABULARY[number] for number in ids] == ["z", "##q", "[UNK]"]


def test_the_mixture_has_the_shapes_and_ranges_of_boxes(model):
    found = mixture(model, "the red dog left of the cat", [(0, 11), (20, 27)])
    assert found.log_weights.shape == (1, 2, 5) and found.means.shape == found.log_scales.shape == (1, 2, 5, 4)
    torch.testing.assert_close(found.log_weights.exp().sum(-1), torch.ones(1, 2))
    assert ((found.means[..., :2] > 0) & (found.means[..., :2] < 1)).all() and (found.means[..., 2:] <= 0).all()


def test_greedy_boxes_are_the_likeliest_components_means():
    weights = torch.tensor([[[0.2, 0.8]]]).log()
    means = torch.tensor([[[[0.1, 0.1, -1.0, -1.0], [0.5, 0.4, -2.0, -1.0]]]])
    [[box]] = BoxMixture(weights, means, torch.zeros(1, 1, 2, 4)).boxes().tolist()
    width, height = torch.tensor([-2.0, -1.0]).exp().tolist()
    assert box == pytest.approx([0.5 - width / 2, 0.4 - height / 2, 0.5 + width / 2, 0.4 + height / 2])


def test_drawn_boxes_vary_with_the_generator_and_follow_the_mixture():
    weights = torch.tensor([0.25, 0.75]).log().expand(1, 4000, 2)
    means = torch.tensor([[0.2, 0.5, -1.0, -1.0], [0.7, 0.5, -1.0, -1.0]]).expand(1, 4000, 2, 4)
    found = BoxMixture(weights, means, torch.full((1, 4000, 2, 4), -4.0))
    first, again = (found.boxes(1.0, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again) and not torch.equal(first, found.boxes(1.0, torch.Generator().manual_seed(2)))
    centres = (first[..., 0] + first[..., 2]) / 2
    assert (centres > 0.45).float().mean() == pytest.approx(0.75, abs=0.03)


def test_objects_of_one_phrase_get_boxes_of_their_own(model):
    found = mixture(model, "two dogs", [(0, 8), (0, 8)])
    assert not torch.allclose(found.means[0, 0], found.means[0, 1])


def test_padding_changes_nothing(model):
    ids, marked = model.encode("the red dog", [(0, 11)])
    others = torch.tensor([[kinds_of("dog")]]), torch.ones(1, 1), torch.ones(1)
    alone = model(torch.tensor([ids]), torch.tensor([marked]), *others)
    padded = model(torch.tensor([ids + [0, 0]]), torch.tensor([[marked[0] + [False] * 2]]), *others)
    torch.testing.assert_close(alone.means, padded.means, atol=1e-5, rtol=1e-5)


def test_the_proportions_of_the_picture_matter(model):
    square, wide = (mixture(model, "the dog", [(0, 7)], ratio) for ratio in (1.0, 2.0))
    assert not torch.allclose(square.means, wide.means)


def test_the_kinds_of_things_matter_where_their_names_are_unknown(model):
    animal, vehicle = (mixture(model, "the zq", [(0, 6)], noun=noun) for noun in ("dog", "bus"))
    assert not torch.allclose(animal.means, vehicle.means)


def test_real_sizes_matter_where_they_are_known(model):
    unknown, small, large = (mixture(model, "the zq", [(0, 6)], side=side).means for side in (0, 0.1, 5))
    assert not (torch.allclose(unknown, small) or torch.allclose(small, large) or torch.allclose(large, unknown))


def test_things_are_looked_up_in_the_list_of_sizes():
    sizes = {"racket": 0.3, "tennis racket": 0.4, "dog": 0.7, "balloon": 0.3, "hot air balloon": 20.0}
    model = LayoutTransformer(VOCABULARY, sizes, width=20, layers=1, heads=2)
    assert model.side("rackets") == model.side("racket", ("red",)) == 0.3
    assert model.side("racket", ("red", "tennis")) == 0.4
    assert model.side("dog") == 0.7 and model.side("dog", ("hot",)) == 0
    assert model.side("balloon", ("air", "red", "hot")) == model.side("balloon", ("hot-air",)) == 20.0
    assert model.side("balloon", ("hot",)) == 0.3
    assert model.side("tennis") == LayoutTransformer(VOCABULARY, width=20, layers=1, heads=2).side("racket") == 0


def test_words_of_size_change_it_unless_they_belong_to_the_name():
    sizes = {"dog": 0.7, "box": 0.4, "toy box": 0.5, "store": 9.0, "bottle": 0.2}
    model = LayoutTransformer(VOCABULARY, sizes, width=20, layers=1, heads=2)
    tiny, small, large, huge = (model.side("dog", (word,)) for word in ("tiny", "small", "large", "huge"))
    assert 0 < tiny < small < 0.7 < large < huge
    assert model.side("dog", ("toy",)) < tiny
    assert model.side("box", ("toy",)) == 0.5 and model.side("box", ("toy", "small")) == 0.5 * 0.7
    assert model.side("zq", ("tiny",)) == 0
    assert model.side("store", ("toy",)) == 9 and model.side("bottle", ("baby",)) == 0.2
    assert model.side("dog", ("baby",)) == 0.35


def test_it_is_saved_with_its_vocabulary_and_loaded_again(model, tmp_path):
    model.save_pretrained(tmp_path)
    loaded = LayoutTransformer.from_pretrained(tmp_path)
    prompt, spans = "two red lampposts", [(0, 17)]
    assert loaded.encode(prompt, spans) == model.encode(prompt, spans)
    assert loaded.side("dog") == model.side("dog") == 0.7
    torch.testing.assert_close(mixture(loaded, prompt, spans).means, mixture(model, prompt, spans).means)


# The predictor


def test_the_predictor_places_what_the_prompt_names_and_stated_relations_hold(model):
    layout = TransformerLayoutPredictor(model)("A red dog to the left of a cat. A lamppost is above the cat.")
    assert layout.phrases == ["A red dog", "a cat", "A lamppost"]
    (dog, cat, lamp) = (region.centre for region in layout.regions)
    assert dog[0] < cat[0] and lamp[1] < cat[1]
    assert all(0 <= side <= 1 for region in layout.regions for side in region.bounds)


def test_contents_are_in_the_middle_of_their_container():
    apple, bowl = TransformerLayoutPredictor()("a red apple in a glass bowl").regions
    assert apple.centre == pytest.approx(bowl.centre, abs=1e-3)


def test_contents_are_side_by_side_in_the_middle_of_their_container():
    boxes = [(0.2, 0.2, 0.8, 0.6), (0.0, 0.0, 0.1, 0.1), (0.0, 0.0, 1.0, 1.0), (0.9, 0.9, 1.0, 1.0)]
    regions = [Region(noun, box=box) for noun, box in zip("tray cup plate lamp".split(), boxes)]
    layout = Layout(regions, [Relation(1, "inside", 0), Relation(2, "inside", 0)])
    tray, cup, plate, lamp = (region.box for region in with_contents(layout).regions)
    assert (tray, lamp) == (boxes[0], boxes[3])
    assert cup == (0.3, 0.35, 0.4, 0.45) and plate == (0.515, 0.265, 0.785, 0.535)


def test_it_is_deterministic_unless_it_has_a_temperature(model):
    predict = TransformerLayoutPredictor(model)
    assert predict("a dog and a cat") == predict("a dog and a cat")
    varied = TransformerLayoutPredictor(model, temperature=1.0, generator=torch.Generator().manual_seed(0))
    assert varied("a dog and a cat") != varied("a dog and a cat")


def test_without_objects_there_is_no_region(model):
    assert not TransformerLayoutPredictor(model)("it is raining")


@pytest.mark.parametrize("options", [{"temperature": -1}, {"temperature": float("nan")}])
def test_bad_temperatures_are_refused(model, options):
    with pytest.raises(ValueError, match="temperature"):
        TransformerLayoutPredictor(model, **options)


def test_many_objects_are_placed(model):
    colours, animals = ("red", "green", "blue", "black", "white"), ("dog", "cat", "horse", "bird")
    objects = [f"a {colour} {animal}" for colour in colours for animal in animals]
    layout = TransformerLayoutPredictor(model)(", ".join(objects), objects=objects)
    assert layout.phrases == objects and len({region.box for region in layout.regions}) > 16


def test_objects_beyond_the_tokens_that_it_reads_are_placed_all_the_same(model):
    prompt = "The night is long and quiet. " * 60 + "A red apple lies to the left of a blue car."
    objects = ["A red apple", "a blue car"]
    layout = TransformerLayoutPredictor(model)(prompt, objects=objects)
    (apple, car) = layout.regions
    assert len(model.encode(prompt, [])[0]) == model.config.max_tokens
    assert layout.phrases == objects and apple.centre[0] < car.centre[0]


def test_named_objects_are_the_only_ones(model):
    prompt = "A red dog to the left of a cat. A lamppost is above the cat."
    assert TransformerLayoutPredictor(model)(prompt, objects=["red dog", "cat"]).phrases == ["A red dog", "a cat"]


# In the pipeline


def test_it_is_a_component_that_is_saved_and_loaded_with_the_pipeline(components, model, tmp_path):
    pipe = SpaceTimeAttnPipeline(
        **components, requires_safety_checker=False, layout_transformer=model, layout_predictor="transformer"
    )
    pipe.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index["layout_transformer"] == ["spacetime_attn_layout_transformer", "LayoutTransformer"]
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path, layout_predictor="transformer")
    prompt = "a red dog left of a cat"
    assert loaded.predict_layout(prompt) == pipe.predict_layout(prompt)


@pytest.mark.filterwarnings("ignore")
def test_a_dynamically_loaded_pipeline_takes_it_too(components, model, tmp_path):
    pipe = SpaceTimeAttnPipeline(**components, requires_safety_checker=False, layout_transformer=model)
    pipe.save_pretrained(tmp_path)
    root = Path(__file__).parents[1]
    loaded = DiffusionPipeline.from_pretrained(
        tmp_path, custom_pipeline=str(root / "pipeline_spacetime_attn.py"), trust_remote_code=True
    )
    assert type(loaded.layout_transformer).__name__ == "LayoutTransformer"
    loaded.layout_predictor = "transformer"
    assert len(loaded.predict_layout("a red dog left of a cat")) == 2


def test_without_one_the_index_does_not_name_it(components, tmp_path):
    SpaceTimeAttnPipeline(**components, requires_safety_checker=False).save_pretrained(tmp_path)
    assert "layout_transformer" not in json.loads((tmp_path / "model_index.json").read_text())


def test_predictors_are_chosen_by_name_or_given(pipe, monkeypatch):
    monkeypatch.setattr("spacetime_attn.layout.llm.find_spec", lambda name: True)  # as if xgrammar were installed
    assert type(pipe.layout_predictor) is TransformerLayoutPredictor
    pipe.layout_predictor = "rules"
    assert type(pipe.layout_predictor) is RuleLayoutPredictor
    pipe.layout_predictor = "llm"
    assert type(pipe.layout_predictor) is LLMLayoutPredictor
    pipe.layout_predictor = lambda prompt, aspect_ratio: Layout()
    assert len(pipe.predict_layout("a dog")) == 0
    with pytest.raises(ValueError, match="`layout_predictor` has to be one of 'rules', 'transformer', 'llm'"):
        pipe.layout_predictor = "magic"


def test_the_name_of_the_predictor_is_saved_with_the_pipeline_and_may_be_overruled(components, tmp_path):
    pipe = SpaceTimeAttnPipeline(**components, requires_safety_checker=False, layout_predictor="rules")
    pipe.save_pretrained(tmp_path)
    assert type(SpaceTimeAttnPipeline.from_pretrained(tmp_path).layout_predictor) is RuleLayoutPredictor
    other = SpaceTimeAttnPipeline.from_pretrained(tmp_path, layout_predictor="transformer")
    assert type(other.layout_predictor) is TransformerLayoutPredictor


def test_pictures_of_one_prompt_have_different_layouts_if_these_are_drawn(pipe, model):
    pipe.layout_predictor = TransformerLayoutPredictor(model, temperature=1.0)
    call = {"num_inference_steps": 1, "num_images_per_prompt": 2, "output_type": "np"}
    first, second, third, fourth = pipe(["a dog and a cat", "a red lamppost"], **call).layouts
    assert first.phrases == second.phrases and third.phrases == fourth.phrases
    assert first != second and third != fourth
    same, again = pipe("a dog and a cat", layout=first, **call).layouts
    assert same == again == first


PROMPTS = ["a dog and a cat", "a red lamppost"]


def generators(kind: str):
    """The same seeds each time, as one generator for all pictures, one for each, or torch's own."""
    torch.manual_seed(3)
    return {
        "one": torch.Generator().manual_seed(3),
        "list": [torch.Generator().manual_seed(seed) for seed in (3, 4, 5, 6)],
        "none": None,
    }[kind]


@pytest.mark.parametrize("kind", ["one", "list", "none"])
def test_a_seed_repeats_its_drawn_layouts_and_they_give_the_same_pictures(pipe, model, kind):
    pipe.layout_predictor = TransformerLayoutPredictor(model, temperature=1.0)
    call = {"num_inference_steps": 1, "num_images_per_prompt": 2, "output_type": "pt"}
    drawn = pipe(PROMPTS, generator=generators(kind), **call)
    assert pipe(PROMPTS, generator=generators(kind), **call).layouts == drawn.layouts
    given = pipe(PROMPTS, layout=drawn.layouts[::2], generator=generators(kind), **call)
    torch.testing.assert_close(given.images[::2], drawn.images[::2])
    assert len({str(layout) for layout in drawn.layouts}) == 4


def test_drawn_layouts_leave_the_generator_as_it_is(pipe, model):
    pipe.layout_predictor = TransformerLayoutPredictor(model, temperature=1.0)
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state(), torch.get_rng_state()
    first = pipe.predict_layout(PROMPTS[0], generator=generator)
    assert torch.equal(generator.get_state(), before[0]) and torch.equal(torch.get_rng_state(), before[1])
    assert pipe(PROMPTS[0], generator=generator, num_inference_steps=1, output_type="np").layouts == [first]


def test_neighbouring_seeds_share_no_layouts(pipe, model):
    pipe.layout_predictor = TransformerLayoutPredictor(model, temperature=1.0)
    call = {"num_inference_steps": 1, "num_images_per_prompt": 3, "output_type": "np"}
    layouts = [
        layout
        for seed in range(3)
        for layout in pipe(PROMPTS[0], generator=torch.Generator().manual_seed(seed), **call).layouts
    ]
    assert len({str(layout) for layout in layouts}) == 9


def test_a_generator_of_the_predictors_own_comes_first(pipe, model):
    def drawn(seed):
        own = torch.Generator().manual_seed(1)
        pipe.layout_predictor = TransformerLayoutPredictor(model, temperature=1.0, generator=own)
        return pipe.predict_layout(PROMPTS[0], generator=torch.Generator().manual_seed(seed))

    assert drawn(2) == drawn(3)


# The one that ships


def test_it_knows_how_large_things_are_beside_each_other():
    predict = TransformerLayoutPredictor()

    def area(region):
        x0, y0, x1, y1 = region.box
        return (x1 - x0) * (y1 - y0)

    for larger, smaller in (("elephant", "cup"), ("truck", "cat"), ("tree", "apple"), ("horse", "hammer")):
        first, second = predict(f"a {larger} and a {smaller}").regions
        assert area(first) > 2 * area(second), larger


def test_it_is_small():
    folder = Path(__file__).parents[1] / "layout" / "transformer"
    assert 0 < sum(path.stat().st_size for path in folder.iterdir()) <= 8e6


def test_the_rules_stand_in_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(learned, "find_asset", lambda name, file: None)
    learned._shipped_transformer.cache_clear()
    with pytest.warns(UserWarning, match="the rules place the objects"):
        layout = TransformerLayoutPredictor()("a dog and a cat")
    learned._shipped_transformer.cache_clear()
    assert layout == RuleLayoutPredictor()("a dog and a cat")
