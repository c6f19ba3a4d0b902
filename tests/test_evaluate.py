"""The benchmark: methods, resuming, processes, zero-shot judges; on tiny random models."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from transformers import (
    BertTokenizer,
    CLIPTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoProcessor,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2Processor,
    SwinConfig,
)
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil

from spacetime_attn import SpaceTimeAttnPipeline
from spacetime_attn.examples import distances, evaluate, learn_schedule, methods, schedules
from spacetime_attn.examples.icon_world.detection import Detection
from spacetime_attn.examples.icon_world.judge import IconJudge
from spacetime_attn.examples.zero_shot import ZeroShotJudge


SAMPLING = {"num_inference_steps": 2, "guidance_scale": 7.5}
PROMPTS = [
    {
        "id": f"dev/{number}",
        "prompt": f"a {colour} apple left of a cat",
        "objects": [f"{colour} apple", "cat"],
        "relations": [{"subject": f"{colour} apple", "relation": "left of", "object": "cat"}],
        "boxes": [[0.0, 0.3, 0.4, 0.7], [0.6, 0.3, 1.0, 0.7]],
    }
    for number, colour in enumerate(["red", "blue", "pink", "green", "black"])
]


@pytest.fixture
def world(tmp_path, stock):
    """A folder with a prompt file, two configurations, a tiny checkpoint and an untrained judge."""
    stock.save_pretrained(tmp_path / "model")
    torch.manual_seed(0)
    IconJudge(["apple", "cat"], ["red", "blue"], image_size=32, threshold=0.018).save_pretrained(tmp_path / "judge")
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in PROMPTS))
    rows = [{"name": "plain", "method": "plain"}, {"name": "ours", "method": "spacetime", "layouts": "true"}]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    return tmp_path


def arguments(world, output, *more):
    """The command line for the folder."""
    options = {"output": output, "configurations": "rows.json", "model": "model", "judge": "judge"}
    paths = [part for name, value in options.items() for part in (f"--{name}", str(world / value))]
    return [str(world / "prompts.jsonl"), *paths, "--steps", "2", "--batch-size", "2", "--grid", "2", *more]


def tables(world, output):
    """The Markdown and JSON tables."""
    return (world / output / "table.md").read_text(), json.loads((world / output / "table.json").read_text())


def test_writes_tables_grid_pictures_and_records(world, capsys):
    evaluate.main(arguments(world, "results"))
    markdown, data = tables(world, "results")
    assert markdown.strip() in capsys.readouterr().out
    assert list(data["rows"]) == ["plain", "ours (true layouts)"]
    assert data["rows"]["plain"]["object recall"]["count"] == 10
    assert data["rows"]["plain"]["relation accuracy"]["count"] == 5
    assert data["about"]["prompts"] == 5 and data["about"]["num_inference_steps"] == 2
    assert list(data["differences from plain"]) == ["ours (true layouts)"]
    assert Image.open(world / "results" / "grid.png").width > 300
    assert len(list((world / "results" / "plain").glob("*.png"))) == 5
    record = json.loads((world / "results" / "ours (true layouts)" / "dev%2F0.json").read_text())
    assert [region["phrase"] for region in record["layout"]["objects"]] == ["a red apple", "a cat"]
    assert {"category", "colour", "box", "score"} == record["detections"][0].keys()


def test_layouts_are_scored_like_pictures():
    regions = [
        {"phrase": "the small red apple", "box": [0.6, 0.3, 1.0, 0.7]},
        {"phrase": "a cat", "disc": [0.2, 0.5, 0.2]},
        {"phrase": "the left side", "box": [0.0, 0.0, 0.2, 1.0]},
    ]
    score = evaluate.score_layout(PROMPTS[0], {"objects": regions})
    assert score["recall with colour"] == (2, 2) and score["relation accuracy"] == (0, 1)
    assert score["spurious objects"] == (1, 1)


def test_goes_on_where_it_stopped(world, monkeypatch):
    evaluate.main(arguments(world, "whole"))
    drawn = []
    draw = methods.Plain.__call__

    def stops_after_one_batch(self, prompts, generators):
        if drawn:
            raise KeyboardInterrupt
        drawn.append([record["id"] for record in prompts])
        return draw(self, prompts, generators)

    monkeypatch.setattr(methods.Plain, "__call__", stops_after_one_batch)
    with suppress(KeyboardInterrupt):
        evaluate.main(arguments(world, "stopped"))

    def goes_on(self, prompts, generators):
        drawn.append([record["id"] for record in prompts])
        return draw(self, prompts, generators)

    monkeypatch.setattr(methods.Plain, "__call__", goes_on)
    evaluate.main(arguments(world, "stopped"))
    assert drawn == [["dev/0", "dev/1"], ["dev/2", "dev/3"], ["dev/4"]]
    assert tables(world, "stopped") == tables(world, "whole")


def test_refuses_to_mix_settings_or_prompts(world):
    evaluate.main(arguments(world, "results"))
    with pytest.raises(ValueError, match="begun with another seed"):
        evaluate.main(arguments(world, "results", "--seed", "1"))
    changed = [record | {"prompt": "something else"} for record in PROMPTS]
    (world / "prompts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in changed))
    with pytest.raises(ValueError, match="choose another"):
        evaluate.main(arguments(world, "results"))


def test_two_processes_give_the_same_table(world):
    evaluate.main(arguments(world, "one"))
    script = Path(evaluate.__file__)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", str(script)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run(launch + arguments(world, "launched"), check=True, env=environment, cwd=world, capture_output=True)
    assert tables(world, "launched") == tables(world, "one")


def test_every_row_of_the_shipped_configurations_draws(pipe):
    shipped = yaml.safe_load((evaluate.HERE / "benchmark.yaml").read_text())
    rows = methods.expand(shipped, with_true_layouts=True)
    assert [row["name"] for row in rows].count("ours") == 2
    for row in rows:
        images, layouts = methods.build(row, pipe, SAMPLING)(PROMPTS[:1], [torch.Generator().manual_seed(0)])
        assert images[0].size == (32, 32)
        assert (layouts[0] is None) == ("layouts" not in row)


def draw(pipe, **row):
    """The picture of one prompt, and its layout."""
    method = methods.build({"name": "row", "method": "spacetime", **row}, pipe, SAMPLING)
    images, layouts = method(PROMPTS[:1], [torch.Generator().manual_seed(3)])
    return np.asarray(images[0]), layouts[0]


def test_ours_is_what_the_pipeline_does_by_itself(pipe):
    expected = pipe(PROMPTS[0]["prompt"], generator=torch.Generator().manual_seed(3), **SAMPLING)
    picture, layout = draw(pipe)
    assert np.array_equal(picture, expected.images[0]) and layout.to_dict() == expected.layouts[0].to_dict()


def test_plain_is_the_stock_pipeline(pipe, stock):
    expected = stock(PROMPTS[0]["prompt"], generator=torch.Generator().manual_seed(3), **SAMPLING).images[0]
    assert np.array_equal(draw(pipe, method="plain")[0], expected)


def test_settings_change_regions_and_weights(pipe):
    _, discs = draw(pipe, layouts="true", disc_radius=0.1)
    assert [region.disc for region in discs.regions] == [(0.2, 0.5, 0.1), (0.8, 0.5, 0.1)]
    _, boxes = draw(pipe, layouts="true", region_shape="box", box_scale=0.5, softness=0.1)
    assert boxes.regions[0].box == pytest.approx((0.1, 0.4, 0.3, 0.6)) and boxes.regions[0].softness == 0.1
    plain, always = draw(pipe, method="plain")[0], draw(pipe)[0]
    early, late = draw(pipe, control_guidance_end=0.5)[0], draw(pipe, start=0.5)[0]
    assert not any(np.array_equal(a, b) for a, b in ((early, late), (early, always), (late, always), (early, plain)))
    assert not np.array_equal(draw(pipe, local_prompt_template="{} alone")[0], always)


def test_a_learned_schedule_takes_the_place_of_the_default_weights(pipe, tmp_path):
    strengths = {"2": [3.0] * 10, "3": [0.0] * 10, "4": [0.0] * 10}
    (tmp_path / "schedule.json").write_text(json.dumps({"strengths": strengths}))
    learned = draw(pipe, schedule=str(tmp_path / "schedule.json"))[0]
    assert np.array_equal(learned, draw(pipe, guided_strength=3.0)[0])


def test_a_schedule_is_a_curve_over_relative_time_for_each_number_of_objects():
    falling = torch.linspace(10.0, 1.0, schedules.KNOTS)
    strengths = torch.stack([falling, 2 * falling, 3 * falling])
    weights = {count: schedules.scheduled_weights(strengths, count, 5) for count in (1, 2, 3, 4, 6)}
    assert all(matrix.shape == (count, 5) for count, matrix in weights.items())
    assert weights[2][0].tolist() == pytest.approx([4.75, 3.75, 2.75, 1.75, 0.75])
    shares = {1: 2.0, 2: 1.0, 3: 4 / 3, 4: 1.5, 6: 1.0}
    for count, share in shares.items():
        torch.testing.assert_close(weights[count], (share * weights[2][0]).expand(count, 5))


def test_distances_are_those_of_the_pictures_that_were_drawn(world, clip, monkeypatch, capsys):
    evaluate.main(arguments(world, "out"))
    monkeypatch.setattr(SpaceTimeAttnPipeline, "image_text_model", lambda self: clip)
    options = ["--output", str(world / "out"), "--configurations", str(world / "rows.json")]
    distances.main([str(world / "prompts.jsonl"), *options, "--model", str(world / "model")])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ours") or "plain" in line]
    assert lines[-2].startswith("| plain") and "0.0000 ± 0.0000" in lines[-2] and "0.0000 ±" not in lines[-1]
    pixels = methods.pil_to_tensor(Image.open(world / "out" / "plain" / "dev%2F0.png"))  # of the size that CLIP sees
    with torch.no_grad():
        seen, said = clip.image_features(pixels), clip.text_features([PROMPTS[0]["prompt"]])
    found = distances.distance(clip, PROMPTS[0], world / "out" / "plain")
    assert found == pytest.approx(1 - (seen * said).sum().item(), abs=1e-5)


def test_a_schedule_learns_from_batches_and_goes_on_from_its_file(pipe, clip, tmp_path):
    file = tmp_path / "schedule.json"

    def step(schedule):
        optimizer = learn_schedule.ScheduleStep(epochs=1, clip=clip, schedule=schedule)
        prompts = [record["prompt"] for record in PROMPTS[:2]]
        output = pipe(prompts, optimize_weights=optimizer, generator=torch.manual_seed(0), **SAMPLING)
        schedule.save()
        return output

    first = learn_schedule.Schedule(file, learning_rate=0.5, batches=3)
    output = step(first)
    torch.testing.assert_close(output.weights, torch.full((2, 2, 2), 2.5))  # it begins as the pipeline's defaults
    assert first.distances == pytest.approx([output.loss_history.mean().item()])
    two, three, four = first.strengths.detach()
    assert (two - 5).abs().max() > 0.1 and three.eq(5).all() and four.eq(5).all()  # all prompts have two objects

    again = learn_schedule.Schedule(file, learning_rate=0.5, batches=3)
    assert torch.equal(again.strengths, first.strengths) and again.distances == first.distances
    step(first), step(again)
    assert torch.equal(again.strengths, first.strengths) and len(again.distances) == 2


def test_rows_without_true_layouts_are_left_out_where_there_are_none():
    rows = methods.expand([{"name": "ours", "method": "spacetime"}], with_true_layouts=False)
    assert rows == [{"name": "ours", "method": "spacetime", "layouts": "predicted"}]


@pytest.mark.parametrize(
    ("configurations", "message"),
    [
        ([{"method": "plain"}], "name"),
        ([{"name": "a", "method": "magic"}], "has to be one of"),
        ([{"name": "a", "method": "plain"}, {"name": "a", "method": "plain"}], "name of its own"),
        ([{"name": "a", "method": "spacetime", "layouts": "drawn"}], "predicted"),
    ],
)
def test_configurations_that_make_no_sense(configurations, message):
    with pytest.raises(ValueError, match=message):
        methods.expand(configurations, with_true_layouts=True)


def test_unknown_options_are_named(pipe):
    with pytest.raises(ValueError, match="'odd'.*strangth"):
        methods.build({"name": "odd", "method": "spacetime", "strangth": 1}, pipe, SAMPLING)


def test_prompt_files_are_checked(tmp_path):
    file = tmp_path / "prompts.jsonl"
    for record, message in (
        ({"id": "1", "prompt": "a cat"}, "lacks .'objects', 'relations'"),
        (PROMPTS[0] | {"objects": ["cat"]}, "name .'red apple'"),
    ):
        file.write_text(json.dumps(record))
        with pytest.raises(ValueError, match=message):
            evaluate.read_prompts(file)
    file.write_text((json.dumps(PROMPTS[0]) + "\n") * 2)
    with pytest.raises(ValueError, match="twice"):
        evaluate.read_prompts(file)


def test_attend_and_excite_gets_the_objects_nouns(components):
    tokenizer = components["tokenizer"]
    record = {"prompt": "two cats on a red box", "objects": ["cat", "red box"]}
    letters = tokenizer.convert_ids_to_tokens(tokenizer(record["prompt"]).input_ids)
    tokens = methods.object_tokens(tokenizer, record)
    assert ["".join(letters[: token + 1]).removeprefix("<|startoftext|>") for token in tokens] == [
        "two</w>cats</w>",
        "two</w>cats</w>on</w>a</w>red</w>box</w>",
    ]
    with pytest.raises(ValueError, match="none of the nouns"):
        methods.object_tokens(tokenizer, {"prompt": "nothing", "objects": ["cat"]})


# --- judges of photographs -------------------------------------------------------------------------------------------
def tiny_owlv2(tokenizer):
    """A random OWLv2."""
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = size | {"vocab_size": len(tokenizer), "max_position_embeddings": 77, "eos_token_id": tokenizer.eos_token_id}
    vision = size | {"image_size": 32, "patch_size": 8}
    config = Owlv2Config(text_config=text, vision_config=vision, projection_dim=16)
    images = Owlv2ImageProcessorPil(size={"height": 32, "width": 32})
    return Owlv2ForObjectDetection(config), Owlv2Processor(images, tokenizer)


def tiny_grounding_dino(folder):
    """A random Grounding DINO."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "apple", "cat", "."]
    (folder / "vocab.txt").write_text("\n".join(words))
    size = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=128, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=2,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=size | {"model_type": "bert", "vocab_size": len(words)},
        d_model=32, encoder_layers=1, encoder_ffn_dim=16, encoder_attention_heads=2, encoder_n_points=2,
        decoder_layers=2, decoder_ffn_dim=16, decoder_attention_heads=2, decoder_n_points=2,
        num_queries=5, fusion_droppath=0.0, fusion_dropout=0.0,
    )  # fmt: skip
    images = GroundingDinoImageProcessorPil(size={"height": 128, "width": 128})
    processor = GroundingDinoProcessor(images, BertTokenizer(str(folder / "vocab.txt")))
    return GroundingDinoForObjectDetection(config), processor


@pytest.mark.parametrize("kind", ["owlv2", "grounding_dino"])
def test_zero_shot_detectors_judge_photographs(tmp_path, components, kind):
    torch.manual_seed(0)
    tokenizer: CLIPTokenizer = components["tokenizer"]
    model, processor = tiny_owlv2(tokenizer) if kind == "owlv2" else tiny_grounding_dino(tmp_path)
    for part in (model, processor):
        part.save_pretrained(tmp_path / "detector")
    judge = evaluate.load_judge(str(tmp_path / "detector"), torch.device("cpu"), threshold=0.0)
    (detections,) = judge([Image.new("RGB", (48, 32), "red")], [PROMPTS[0]])
    assert {thing["category"] for thing in detections} == {"apple", "cat"}
    assert all(thing["colour"] for thing in detections if thing["category"] == "apple")
    assert not any(thing["colour"] for thing in detections if thing["category"] == "cat")
    assert all(0 <= side <= 1 for thing in detections for side in thing["box"])


def test_zero_shot_colour_is_that_of_the_best_answer_at_the_place():
    class Detector(ZeroShotJudge):
        answers = {
            "a apple": [((0, 0, 0.4, 0.4), 0.9), ((0.6, 0.6, 1, 1), 0.8)],
            "a red apple": [((0, 0, 0.4, 0.4), 0.7), ((0.6, 0.6, 1, 1), 0.3)],
            "a green apple": [((0, 0, 0.4, 0.4), 0.4), ((0.6, 0.6, 1, 1), 0.6)],
        }

        def __init__(self):
            pass

        def _ask(self, image, query, category, colour=None):
            return [Detection(category, colour, box, score) for box, score in self.answers.get(query, [])]

    assert [thing.colour for thing in Detector().detect(None, ["red apple"])] == ["red", "green"]
