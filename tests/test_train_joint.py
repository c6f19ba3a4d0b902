"""The small Stable Diffusion 3 of icon world: its parts, a training of a few steps, and what measures it."""

import json
from itertools import islice

import numpy as np
import pytest
import torch
from diffusers import StableDiffusion3Pipeline
from transformers import CLIPTextModel

from spacetime_attn.examples.icon_world import joint_report, train_joint
from spacetime_attn.examples.icon_world.captions import caption
from spacetime_attn.examples.icon_world.joint import (
    JOINT_TOKENS,
    NO_T5,
    STATE_SCALE,
    GroundedJointAttention,
    ground_joint,
    joint_texts,
    make_transformer,
)
from spacetime_attn.examples.icon_world.prompts import prompts
from spacetime_attn.examples.icon_world.scenes import SMALL_WORLD, scene_stream, split_of, sprite_tensor
from spacetime_attn.examples.icon_world.sprites import Atlas
from spacetime_attn.examples.icon_world.things import CATEGORIES, COLOURS, SIZE


@pytest.fixture(scope="module")
def studio() -> train_joint.Studio:
    shape = (len(CATEGORIES), 1 + len(COLOURS), 16, 16, 4)
    return train_joint.Studio(sprite_tensor(Atlas(np.full(shape, 255, dtype=np.uint8))))


@pytest.fixture(scope="module")
def trained(studio, tmp_path_factory):
    """The folder of a training of three steps, the second call going on from the first, and what the calls said."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("joint")
    small = {"minutes": 60.0, "max_steps": 3, "batch_size": 4, "reservoir": 8}
    paused = train_joint.train(studio, folder, deadline=0.0, **small)
    return folder, (paused, train_joint.train(studio, folder, **small))


def test_the_small_world_has_eight_things_in_four_colours_and_nothing_else():
    scenes = [scene for scene, _ in islice(scene_stream("train", "tests", world=SMALL_WORLD), 300)]
    things = [thing for scene in scenes for thing in scene.objects]
    assert {thing.category for thing in things} == set(SMALL_WORLD.categories)
    assert {thing.colour for thing in things} == {None, *SMALL_WORLD.colours}
    assert {len(scene.objects) for scene in scenes} == {1, 2, 3}
    assert (len(SMALL_WORLD.categories), len(SMALL_WORLD.colours)) == (8, 4)


def test_its_prompts_belong_to_their_split(studio):
    for record in prompts("dev", 20, SMALL_WORLD, (2, 3)):
        things = [phrase.split()[::-1] for phrase in record["objects"]]
        assert len(things) in (2, 3) and record["relations"]
        assert split_of([(thing[0], thing[1] if len(thing) > 1 else None) for thing in things]) == "dev"


def test_captions_of_up_to_three_objects_have_room(studio):
    scenes = islice(scene_stream("train", "lengths", world=SMALL_WORLD), 500)
    texts = [caption(scene, rng).text for scene, rng in scenes]
    assert max(map(len, studio.tokenizer(texts).input_ids)) <= JOINT_TOKENS


def test_training_reads_prompts_as_the_pipeline_does(studio):
    prompt = "a red cat to the left of a car"
    pipe = studio.pipeline(make_transformer())
    input_ids = studio.tokenizer([prompt, ""], padding="max_length", return_tensors="pt").input_ids
    states, pooled = joint_texts(studio.text_encoder, input_ids)
    with torch.no_grad():
        expected = pipe.encode_prompt(prompt, None, None, max_sequence_length=NO_T5)
    assert torch.equal(states, torch.cat(expected[:2])) and torch.equal(pooled, torch.cat(expected[2:]))


def test_the_wrapped_text_encoder_has_the_states_before_its_last_layer(studio):
    original = CLIPTextModel.from_pretrained(studio.checkpoint, subfolder="text_encoder").eval()
    input_ids = studio.tokenizer(["a red cat"], padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        expected = original(input_ids, output_hidden_states=True)
        wrapped = studio.text_encoder(input_ids, output_hidden_states=True)
    torch.testing.assert_close(wrapped.hidden_states[-2], expected.hidden_states[-1] / STATE_SCALE)
    torch.testing.assert_close(wrapped.text_embeds, expected.pooler_output)


def test_measuring_attention_changes_nothing(studio):
    transformer = make_transformer()
    for weight in transformer.parameters():  # a new transformer gives 0, whatever it is given
        torch.nn.init.normal_(weight, std=0.05)
    batch = studio.batch(scene_stream("dev", "a", world=SMALL_WORLD), 2)
    inputs = batch.latents, batch.states, batch.pooled, torch.full((2,), 500.0)
    with torch.no_grad():
        expected = transformer(*inputs).sample
        attentions = ground_joint(transformer)
        measured = transformer(*inputs, joint_attention_kwargs={"places": batch.places}).sample
    torch.testing.assert_close(measured, expected, rtol=1e-4, atol=1e-5)
    assert len(attentions) == len(transformer.transformer_blocks)
    assert all(isinstance(a, GroundedJointAttention) and a.loss > 0 for a in attentions)


def test_a_reservoir_replaces_its_oldest_pictures(studio):
    batches = studio.batches("tests", 8, reservoir=8)
    seen = [set(map(tuple, batch.latents.flatten(1)[:, :4].tolist())) for batch in islice(batches, 9)]
    kept = [len(seen[0] & later) for later in seen]
    assert kept == [8, 6, 4, 2, 0, 0, 0, 0, 0]


def test_training_pauses_resumes_and_keeps_its_curve(trained):
    folder, said = trained
    assert said == (False, True)
    rows = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 3]
    assert all(0 < loss < 10 for row in rows for loss in row["loss"])


def test_the_checkpoint_is_an_ordinary_stable_diffusion_3(trained):
    pipe = StableDiffusion3Pipeline.from_pretrained(trained[0] / "checkpoint", text_encoder_3=None, tokenizer_3=None)
    picture = pipe("a red cat", max_sequence_length=NO_T5, num_inference_steps=2).images[0]
    assert picture.size == (SIZE, SIZE)
    assert sum(weight.numel() for weight in pipe.transformer.parameters()) == pytest.approx(4e6, rel=0.2)


def test_the_report_has_a_row_for_single_objects(trained, tmp_path, capsys):
    arguments = ["--prompts", "2", "--steps", "2", "--batch-size", "2", "--output", str(tmp_path)]
    joint_report.main([str(trained[0] / "checkpoint"), *arguments])
    assert joint_report.PLAIN in capsys.readouterr().out
    assert json.loads((tmp_path / "table.json").read_text())["about"]["prompts"] == 2


def test_the_report_compares_controlled_rows_with_plain_sampling(trained, tmp_path):
    rows = [{"name": "nothing", "guided_strength": 0.0}, {"name": "strong", "guided_strength": 1e6}]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    arguments = ["--prompts", "2", "--objects", "4", "--steps", "2", "--output", str(tmp_path)]
    joint_report.main([str(trained[0] / "checkpoint"), *arguments, "--configurations", str(tmp_path / "rows.json")])
    table = json.loads((tmp_path / "table.json").read_text())
    result = json.loads((tmp_path / "strong (predicted layouts)/dev-0000.json").read_text())
    assert len(result["layout"]["objects"]) == 4
    names = joint_report.PLAIN, "nothing (predicted layouts)", "strong (predicted layouts)"
    assert set(names) < set(table["rows"])
    plain, nothing, strong = ((tmp_path / name / "dev-0000.png").read_bytes() for name in names)
    assert plain == nothing != strong
