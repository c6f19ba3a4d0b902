"""Icon world: its scenes, what is said of them, and the training of the models, on sprites that are plain shapes."""

import hashlib
import json
import math
import random
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.models.attention_processor import Attention
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPModel

from spacetime_attn import default_model
from spacetime_attn.examples.icon_world import prompts as prompt_files
from spacetime_attn.examples.icon_world import train
from spacetime_attn.examples.icon_world.captions import caption, vocabulary
from spacetime_attn.examples.icon_world.data import false_caption
from spacetime_attn.examples.icon_world.grounding import HEED, SIDE, GroundedAttention, NounPlaces, ground
from spacetime_attn.examples.icon_world.loop import Trainer
from spacetime_attn.examples.icon_world.models import SCALING_FACTOR, ExplicitAttention, make_unet, make_vae
from spacetime_attn.examples.icon_world.muon import orthogonal
from spacetime_attn.examples.icon_world.prompts import prompt_record, prompts, single_prompts
from spacetime_attn.examples.icon_world.reader import SceneReader
from spacetime_attn.examples.icon_world.render import compose, crop
from spacetime_attn.examples.icon_world.scenes import (
    RELATIONS,
    IconObject,
    Scene,
    holds,
    pack,
    render,
    sample_scene,
    scene_stream,
    split_of,
    sprite_tensor,
)
from spacetime_attn.examples.icon_world.sprites import Atlas, sprite_index, tint
from spacetime_attn.examples.icon_world.start import start_clip, start_text_encoder, start_unet, start_vae
from spacetime_attn.examples.icon_world.things import BACKGROUNDS, CATEGORIES, COLOURS, SIZE
from spacetime_attn.examples.icon_world.tokenizer import MAX_TOKENS, make_tokenizer


WHITE = ((255, 255, 255),) * 4


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    """Full squares, each category and colour of another shade."""
    shades = np.arange(len(CATEGORIES) * (1 + len(COLOURS)), dtype=np.uint8).reshape(len(CATEGORIES), -1)
    pixels = np.full((*shades.shape, 16, 16, 4), 255, dtype=np.uint8)
    pixels[..., :3] = shades[..., None, None, None]
    return Atlas(pixels)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [scene for scene, _ in islice(scene_stream("train", "tests"), 400)]


def test_the_world_is_rich_enough():
    assert len(CATEGORIES) >= 20
    assert len(COLOURS) >= 6
    assert sum(category.coloured for category in CATEGORIES.values()) > 0.75 * len(CATEGORIES)


def test_the_same_seed_gives_the_same_scene_picture_and_caption(atlas):
    one, other = (sample_scene(random.Random(7)) for _ in range(2))
    assert one == other != sample_scene(random.Random(8))
    assert np.array_equal(render(one, atlas=atlas), render(other, atlas=atlas))
    assert caption(one, random.Random(1)) == caption(other, random.Random(1))
    assert [scene for scene, _ in islice(scene_stream("dev", "a"), 5)] == [
        scene for scene, _ in islice(scene_stream("dev", "a"), 5)
    ]
    assert next(scene_stream("dev", "a"))[0] != next(scene_stream("dev", "b"))[0]


def test_no_combination_of_objects_is_in_two_splits():
    seen = {}
    for split in ("train", "dev", "test"):
        for scene, _ in islice(scene_stream(split, "tests"), 200):
            things = [(thing.category, thing.colour) for thing in scene.objects]
            if len(things) > 1:
                assert split_of(things) == split == split_of(things[::-1])
                assert seen.setdefault(tuple(sorted(map(str, things))), split) == split


def test_scenes_have_one_to_four_objects_inside_the_picture_that_hardly_overlap(scenes):
    assert {len(scene.objects) for scene in scenes} == {1, 2, 3, 4}
    for scene in scenes:
        boxes = [thing.box for thing in scene.objects]
        assert all(0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1 for x0, y0, x1, y1 in boxes)
        for a, b in ((a, b) for i, a in enumerate(boxes) for b in boxes[:i]):
            common = [min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1)]
            assert min(common) <= 0.06 * max(a[2] - a[0], a[3] - a[1], b[2] - b[0], b[3] - b[1])
    assert {len(sample_scene(random.Random(0), count).objects) for count in (1, 2, 3, 4)} == {1, 2, 3, 4}


def test_boxes_have_the_proportions_of_the_icons(scenes):
    for thing in (thing for scene in scenes for thing in scene.objects):
        x0, y0, x1, y1 = thing.box
        assert (x1 - x0) / (y1 - y0) == pytest.approx(CATEGORIES[thing.category].aspect)


def test_boxes_agree_with_pixels(atlas):
    for seed in range(20):
        scene = sample_scene(random.Random(seed), 1)
        changed = (render(Scene(scene.objects, WHITE), atlas=atlas) < 250).all(axis=-1)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        drawn = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        assert np.abs(drawn - np.array(scene.objects[0].box) * SIZE).max() <= 1


def test_an_object_is_drawn_with_the_sprite_of_its_category_and_colour(atlas):
    scene = Scene((IconObject("dog", "blue", (0.25, 0.25, 0.75, 0.75)),), WHITE)
    shade = atlas.flat[sprite_index("dog", "blue"), 0, 0, 0]
    assert (render(scene, 8, atlas)[2:6, 2:6] == shade).all()


def test_backgrounds_run_from_corner_to_corner(atlas):
    picture = render(Scene((), ((0, 0, 0), (100, 100, 100), (0, 0, 0), (100, 100, 100))), 11, atlas)
    assert picture[5, :, 0].tolist() == list(range(0, 101, 10))


def test_a_batch_of_pictures_is_the_pictures_one_by_one(atlas, scenes):
    corners, indices, boxes = pack(scenes[:6])
    batch = (compose(corners, sprite_tensor(atlas), indices, boxes, 32) * 255).round().byte()
    for picture, scene in zip(batch.permute(0, 2, 3, 1), scenes):
        assert np.array_equal(picture.numpy(), render(scene, 32, atlas))


def test_a_crop_at_whole_pixels_is_a_slice():
    pictures = torch.rand(2, 3, 16, 16)
    windows = torch.tensor([[0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.5, 0.5]])
    cut = crop(pictures, windows, 8)
    assert torch.allclose(cut[0], pictures[0, :, 8:16, 4:12], atol=1e-5)
    assert torch.allclose(cut[1], pictures[1, :, :8, :8], atol=1e-5)


def test_a_tint_has_its_hue_in_every_shade():
    grey = np.linspace(0, 1, 20, dtype=np.float32)[:, None, None].repeat(3, axis=2)
    picture = np.concatenate([grey, np.ones((20, 1, 1), dtype=np.float32)], axis=2)
    red, green, blue, alpha = np.moveaxis(tint(picture, COLOURS["red"]), -1, 0)
    assert (alpha == 1).all()
    assert (red > 1.4 * np.maximum(green, blue)).all()
    assert (np.diff(red + green + blue, axis=0) >= 0).all()


def test_no_background_is_near_a_colour():
    for background in BACKGROUNDS:
        assert min(math.dist(background, colour) for colour in COLOURS.values()) > 80


def test_an_atlas_is_read_as_it_was_written_and_one_of_another_world_is_refused(atlas, tmp_path):
    atlas.save(tmp_path / "atlas.npz")
    assert np.array_equal(Atlas.load(tmp_path / "atlas.npz").pixels, atlas.pixels)
    Atlas(atlas.pixels[1:]).save(tmp_path / "other.npz")
    with pytest.raises(ValueError, match="make it again"):
        Atlas.load(tmp_path / "other.npz")
    with pytest.raises(FileNotFoundError, match="icon_world.sprites"):
        Atlas.load(tmp_path / "none.npz")


def test_the_font_has_the_icons_with_the_proportions_of_the_table():
    try:
        atlas = Atlas.from_font()
    except OSError:
        pytest.skip("the font Noto Color Emoji is not installed")
    assert atlas.pixels.shape[:2] == (len(CATEGORIES), 1 + len(COLOURS))
    alpha = atlas.flat[..., 3]
    assert (alpha[:, [0, -1]].max(axis=(1, 2)) > 0).all()
    assert (alpha[:, :, [0, -1]].max(axis=(1, 2)) > 0).all()


def test_every_relation_that_a_caption_states_is_true(scenes):
    stated = 0
    for seed, scene in enumerate(scenes):
        for i, relation, j in caption(scene, random.Random(seed)).relations:
            stated += 1
            subject, landmark = scene.objects[i].centre, scene.objects[j].centre
            axis, sign = RELATIONS.index(relation) // 2, (-1, 1)[RELATIONS.index(relation) % 2]
            assert sign * (subject[axis] - landmark[axis]) >= 0.125
    assert stated > 200


def test_a_caption_names_every_object(scenes):
    for seed, scene in enumerate(scenes):
        text = caption(scene, random.Random(seed)).text.lower()
        for thing in scene.objects:
            name = CATEGORIES[thing.category].plural or f"{thing.category}s"
            assert re.search(rf"\b{thing.colour or ''} ?({thing.category}|{name})\b", text)


def test_captions_range_from_a_noun_to_prose(scenes):
    texts = [caption(scene, random.Random(seed)) for seed, scene in enumerate(scenes)]
    several = [text for text, scene in zip(texts, scenes) if len(scene.objects) > 1]
    assert min(len(each.text.split()) for each in texts) <= 2
    assert max(len(each.text.split()) for each in texts) >= 25
    assert 0.5 < sum(not each.relations for each in several) / len(several) < 0.8
    assert any("two" in each.text for each in texts)
    assert any("corner" in each.text for each in texts)
    assert any(each.text.endswith(".") for each in texts) and any(not each.text.endswith(".") for each in texts)


def test_a_false_caption_differs_from_the_true_one(scenes):
    false = [(scene, seed, false_caption(scene, seed)) for seed, scene in enumerate(scenes)]
    false = [item for item in false if item[2] is not None]
    assert len(false) > 60
    assert all(text != caption(scene, random.Random(seed)).text for scene, seed, text in false)


def test_every_word_of_a_caption_is_one_token_and_no_caption_is_too_long(scenes):
    tokenizer = make_tokenizer()
    words = vocabulary()
    assert all(len(tokenizer.tokenize(word)) == 1 for word in words)
    for seed, scene in enumerate(scenes):
        text = caption(scene, random.Random(seed)).text
        assert set(re.findall(r"[a-z]+", text.lower())) <= words
        assert len(tokenizer(text).input_ids) <= MAX_TOKENS


def test_the_tokenizer_spells_what_it_does_not_know_and_survives_saving(tmp_path):
    tokenizer = make_tokenizer()
    pieces = tokenizer.tokenize("The silver Bus")
    assert pieces[0] == "the</w>" and pieces[-1] == "bus</w>"
    assert "".join(pieces) == "the</w>silver</w>bus</w>"
    tokenizer.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    ids = again("a photo of a red apple", padding="max_length", truncation=True).input_ids
    assert len(ids) == again.model_max_length == MAX_TOKENS
    assert ids == tokenizer("a photo of a red apple", padding="max_length", truncation=True).input_ids


def test_every_process_makes_the_same_tokenizer():
    """One that numbers some words otherwise reads a checkpoint's "cat" as its "car"."""
    code = (
        "import json; from spacetime_attn.examples.icon_world.tokenizer import make_tokenizer;"
        "print(json.dumps(make_tokenizer().get_vocab()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == make_tokenizer().get_vocab()


def test_a_prompt_record_says_what_its_scene_shows(scenes):
    for place, scene in enumerate(scenes[:50]):
        record = prompt_record(scene, f"tests-{place}")
        assert record == prompt_record(scene, f"tests-{place}") == json.loads(json.dumps(record))
        assert list(record) == ["id", "prompt", "objects", "relations", "boxes"]
        assert record["objects"] == [thing.phrase for thing in scene.objects]
        for relation in record["relations"]:
            assert list(relation) == ["subject", "relation", "object"]
            assert relation["relation"] in RELATIONS
            assert {relation["subject"], relation["object"]} <= set(record["objects"])


@pytest.mark.parametrize("split", ["dev", "test"])
def test_benchmark_prompts_relate_every_object(split):
    records = list(prompts(split, 12))
    assert records[:6] == list(prompts(split, 6))
    assert sorted(len(record["objects"]) for record in records) == [2] * 2 + [3] * 2 + [4] * 8
    for record in records:
        assert len({phrase.split()[-1] for phrase in record["objects"]}) == len(record["objects"])
        related = [(relation["subject"], relation["object"]) for relation in record["relations"]]
        assert {phrase for pair in related for phrase in pair} == set(record["objects"])
        things = {
            phrase: IconObject(phrase.split()[-1], None, tuple(box))
            for phrase, box in zip(record["objects"], record["boxes"])
        }
        for relation in record["relations"]:
            assert holds(relation["relation"], things[relation["subject"]], things[relation["object"]])


def test_single_prompts_have_one_object():
    records = list(single_prompts("dev", 10))
    assert all(len(record["objects"]) == 1 and not record["relations"] for record in records)
    assert all(record["objects"][0] in record["prompt"].lower() for record in records)


def test_the_prompt_files_are_always_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(prompt_files, "prompts", lambda split: prompts(split, 3))
    monkeypatch.setattr(prompt_files, "single_prompts", lambda split: single_prompts(split, 2))
    prompt_files.main(["--output", str(tmp_path)])
    files = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert sorted(files) == [f"prompts_{name}.jsonl" for name in ("dev", "dev_single", "test", "test_single")]
    prompt_files.main(["--output", str(tmp_path)])
    assert files == {file.name: file.read_text() for file in tmp_path.iterdir()}


@pytest.mark.parametrize("shape", [(3, 8, 20), (2, 20, 8)])
def test_orthogonal_matrices_have_singular_values_near_one(shape):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
    assert values.min() > 0.6 and values.max() < 1.3


def test_normalised_latents_have_unit_variance_and_decode_as_before():
    torch.manual_seed(0)
    vae = make_vae().eval()
    pixels = torch.rand(4, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        before = vae.decode(vae.encode(pixels).latent_dist.mean).sample
        train.normalise_latents(vae, pixels)
        posterior = vae.encode(pixels).latent_dist
        latents = SCALING_FACTOR * posterior.mean
        assert torch.allclose(vae.decode(posterior.mean).sample, before, atol=1e-3)
    assert torch.allclose(latents.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-2)
    assert torch.allclose(latents.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-2)


def test_a_training_that_pauses_goes_on_where_it_was(tmp_path):
    def trainer() -> Trainer:
        torch.manual_seed(0)
        return Trainer(torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 1)), tmp_path / "s.pt", 1, 6)

    batches = [(torch.full((2, 4), float(k)),) for k in range(6)]
    whole = trainer()
    assert whole.run(map(Batch, batches), lambda batch: whole.model(batch.x).square().mean())
    (tmp_path / "s.pt").unlink()
    first = trainer()
    assert not first.run(map(Batch, batches[:3]), lambda batch: first.model(batch.x).square().mean())
    second = trainer()
    assert second.step == 3 and 0.5 <= second.progress < 1
    assert second.run(map(Batch, batches[3:]), lambda batch: second.model(batch.x).square().mean())
    for one, other in zip(whole.average.parameters(), second.average.parameters()):
        assert torch.equal(one, other)


class Batch(tuple):
    """A batch of one tensor."""

    def __new__(cls, x):
        return super().__new__(cls, x if isinstance(x, tuple) else (x,))

    @property
    def x(self) -> torch.Tensor:
        return self[0]


@pytest.fixture(scope="module")
def trained(atlas, tmp_path_factory):
    """The folder of a training of a step or two in each stage, with one pause, and what the runs said."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("icon_world")

    def workshop(steps: int, **options) -> train.Workshop:
        budget = dict.fromkeys(train.SHARES, 60.0)
        return train.Workshop(folder, atlas, budget, torch.device("cpu"), max_steps=steps, batch_size=2, **options)

    paused = train.run(workshop(2, deadline=0.0), ["vae", "unet"])
    resumed = train.run(workshop(2), ["vae"])
    finished = train.run(workshop(1), ["unet", "clip", "save"])
    return folder, (paused, resumed, finished)


def test_training_pauses_and_resumes(trained):
    folder, results = trained
    assert results == (False, True, True)
    steps = {stage: torch.load(folder / f"{stage}.pt")["step"] for stage in ("vae", "unet", "clip")}
    assert steps == {"vae": 2, "unet": 1, "clip": 1}


def test_a_training_starts_as_an_earlier_checkpoint(trained, atlas):
    checkpoint = trained[0] / "checkpoint"
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["zeppelin"])
    encoder, pipe = start_text_encoder(checkpoint, tokenizer), StableDiffusionPipeline.from_pretrained(checkpoint)
    prompts = {"padding": "max_length", "return_tensors": "pt"}
    with torch.no_grad():
        states = encoder(**tokenizer("a red apple", **prompts)).last_hidden_state
        expected = pipe.text_encoder(**pipe.tokenizer("a red apple", **prompts)).last_hidden_state
    assert torch.equal(states, expected)
    assert len(encoder.state_dict()["embeddings.token_embedding.weight"]) == len(pipe.tokenizer) + 1
    for name, model in (("unet", start_unet(checkpoint)), ("vae", start_vae(checkpoint))):
        saved = load_file(checkpoint / name / "diffusion_pytorch_model.safetensors")
        assert all(torch.equal(weight, saved[key].float()) for key, weight in model.state_dict().items())
    saved = load_file(checkpoint / "clip" / "model.safetensors")
    for key, weight in start_clip(checkpoint, tokenizer).state_dict().items():
        assert key.startswith("text_model.") or torch.equal(weight, saved[key].float()), key


def test_the_reader_is_content_with_true_answers_only():
    scenes = pack([sample_scene(random.Random(seed), num_objects=2) for seed in range(8)])
    reader = SceneReader(8)
    states = nn.Parameter(torch.randn(8, 8))
    optimizer = torch.optim.Adam([states, *reader.parameters()], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        loss = reader(states, scenes).mean()
        loss.backward()
        optimizer.step()
    assert loss < -5  # narrow Gaussians around the true centres, the rest certain
    assert reader(states.flip(0), scenes).mean() > 50


def test_nouns_have_the_places_of_their_things():
    left, right, below = (0.0, 0.0, 0.5, 0.25), (0.75, 0.0, 1.0, 0.25), (0.26, 0.5, 0.49, 1.0)
    things = IconObject("apple", "red", left), IconObject("apple", None, right), IconObject("bus", "blue", below)
    tokenizer = make_tokenizer()
    input_ids = tokenizer(["a red apple, two apples and a bus, no cat"], return_tensors="pt").input_ids
    places = NounPlaces(tokenizer)(input_ids, pack([Scene(things, WHITE)]))[0]
    words = tokenizer.convert_ids_to_tokens(input_ids[0])
    expected = {word: torch.zeros(SIDE, SIDE) for word in words}
    half, quarter = SIDE // 2, SIDE // 4
    for word in ("apple</w>", "apples</w>"):
        expected[word][:quarter, :half] = 1
        expected[word][:quarter, -quarter:] = 1
    expected["bus</w>"][half:, quarter:half] = 1  # every latent that the box touches
    assert len(expected) > 6
    for word, place in zip(words, places):
        assert torch.equal(place, expected[word]), word


@pytest.fixture
def attention() -> Attention:
    torch.manual_seed(0)
    return Attention(query_dim=8, cross_attention_dim=6, heads=2, dim_head=4)


@pytest.mark.parametrize("processor", [ExplicitAttention(), GroundedAttention()])
def test_attention_while_training_is_the_usual_one(attention, processor):
    states, texts, places = torch.randn(3, 16, 8), torch.randn(3, 5, 6), torch.ones(3, 5, 4, 4)
    expected = attention(states, texts)
    attention.set_processor(processor)
    torch.testing.assert_close(attention(states, texts, places=places), expected)


def test_attention_beside_a_noun_s_place_is_measured(attention):
    states, texts, places = torch.randn(2, 16, 8), torch.randn(2, 5, 6), torch.zeros(2, 5, 8, 8)
    places[0, 1, :4] = 1  # two nouns, the second one everywhere, at twice the resolution of the attention
    places[1, 3] = 1
    weights = [attention.head_to_batch_dim(part) for part in (attention.to_q(states), attention.to_k(texts))]
    weights = attention.get_attention_scores(*weights).unflatten(0, (2, 2)).mean(1)  # (batch, queries, tokens)
    outside = weights[0, 8:, 1].sum() / weights[0, :, 1].sum()
    lacking = [(1 - heed / HEED).clamp(min=0) for heed in (weights[0, :8, 1].mean(), weights[1, :, 3].mean())]
    attention.set_processor(GroundedAttention())
    attention(states, texts, places=places)
    assert 0.2 < outside < 0.8 and min(lacking) > 0
    squares = outside.square() + lacking[0].square() + lacking[1].square()
    torch.testing.assert_close(attention.processor.loss, squares / 2)
    attention(states, texts, places=torch.zeros_like(places))
    assert attention.processor.loss == 0


def test_a_place_need_not_heed_its_noun_alone(attention):
    torch.nn.init.zeros_(attention.to_k.weight)  # all tokens get the same
    attention.set_processor(GroundedAttention())
    for tokens, loss in ((2, 0.0), (5, (1 - 0.2 / HEED) ** 2)):
        attention(torch.randn(1, 16, 8), torch.randn(1, tokens, 6), places=torch.ones(1, tokens, 4, 4))
        assert attention.processor.loss.item() == pytest.approx(loss, abs=1e-6)


def test_all_cross_attention_is_measured():
    unet = make_unet()
    measured = ground(unet)
    names = [name for name, processor in unet.attn_processors.items() if processor in measured]
    assert len(names) == len(measured) == 7 and all("attn2" in name for name in names)


def test_the_checkpoint_is_a_stable_diffusion_pipeline(trained):
    pipe = StableDiffusionPipeline.from_pretrained(trained[0] / "checkpoint")
    pipe.set_progress_bar_config(disable=True)
    picture = pipe("a red apple", num_inference_steps=2, output_type="np").images[0]
    assert picture.shape == (SIZE, SIZE, 3)
    assert np.isfinite(picture).all()


def test_what_ships_is_what_was_measured():
    folder = Path(train.__file__).parent
    rows = re.findall(r"^\| `(.+)` \| `([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.MULTILINE)
    assert len(rows) == 4
    assert [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name, _ in rows] == [sha for _, sha in rows]


def test_the_checkpoint_s_clip_has_the_pipeline_s_text_encoder(trained):
    clip = CLIPModel.from_pretrained(trained[0] / "checkpoint" / "clip", dtype=torch.float32)
    pipe = StableDiffusionPipeline.from_pretrained(trained[0] / "checkpoint")
    weights = pipe.text_encoder.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in clip.text_model.state_dict().items())


@pytest.mark.parametrize("words", ["octane render", "8k hyperdetailed masterpiece", "a red apple"])
def test_words_that_no_caption_has_are_read_as_padding(words):
    pipe = StableDiffusionPipeline.from_pretrained(default_model())

    def encoded(prompt: str) -> torch.Tensor:
        return pipe.encode_prompt(prompt, "cpu", 1, do_classifier_free_guidance=False)[0]

    prompt = "a blue car to the left of a cat"
    same = torch.equal(encoded(f"{prompt} {words}"), encoded(prompt))
    assert same == (words != "a red apple")


def test_the_checkpoint_is_small_enough_to_ship(trained):
    files = [file for file in (trained[0] / "checkpoint").rglob("*") if file.is_file()]
    assert max(file.stat().st_size for file in files) <= 16 * 2**20
    assert sum(file.stat().st_size for file in files) <= 28 * 2**20
    assert not [file for file in files if file.suffix not in (".json", ".safetensors")]
