"""Pictures that remember what they were made from, and are made again from that."""

import base64
import io
import json
import re
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler, EulerDiscreteScheduler
from diffusers.callbacks import SDCFGCutoffCallback
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from test_adapters import add_ip_adapter
from transformers import CLIPImageProcessor

from spacetime_attn import Layout, Region, SpaceTimeAttnPipeline, WeightOptimizer, save_weights
from spacetime_attn.cli import main
from spacetime_attn.pictures import (
    CHUNK,
    Making,
    changes_since,
    draw_again,
    making_of,
    parameters,
    public_name,
    read_picture,
    save_picture,
)


PROMPT = "a red cat to the left of a green bus"
MASK = [[0, 0, 0.5], [0, 1, 1]]
LAYOUT = Layout(
    (
        Region("a red cat", box=(0, 0.2, 0.5, 0.8), softness=0.1, negative_prompt="fog", description="a cat in a hat"),
        Region("a green bus", mask=MASK, strength=0.5, end=0.7),
    )
)
FAST = ["--steps", "2"]


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def draw(pipe, prompt=PROMPT, **options):
    return pipe(prompt, **{"num_inference_steps": 3, "layout": LAYOUT, "generator": seeded(5)} | options)


def saved(output, tmp_path, index: int = 0) -> Making:
    """What is read from the picture's file."""
    save_picture(output, index, tmp_path / "picture.png")
    return read_picture(tmp_path / "picture.png")


@pytest.fixture
def making(pipe) -> Making:
    """Of a small picture."""
    return making_of(draw(pipe))


@pytest.fixture
def judge(clip, tmp_path_factory) -> str:
    """The folder of a tiny CLIP."""
    folder = tmp_path_factory.mktemp("clip")
    for part in (clip.model, clip.tokenizer, CLIPImageProcessor(size=32, crop_size=32)):
        part.save_pretrained(folder)
    return str(folder)


def pixels(output, index: int = 0) -> bytes:
    return output.images[index].tobytes()


# Made again


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"negative_prompt": "rain", "guidance_scale": 3.5, "guidance_rescale": 0.5, "clip_skip": 1},
        {"height": 48, "width": 32, "eta": 0.5, "local_prompt_template": "{} on a field"},
        {"guidance_scale": 1.0, "layout": LAYOUT.edit(0, negative_prompt=None), "blend": "convex", "weights": 0.25},
        {"weights": torch.rand(2, 3) * 4},
        {"weights": [[0.5, 0.25, 0.125], [1, 2, 3]]},
        {"prompt": [PROMPT], "negative_prompt": ["rain"], "weights": [torch.ones(2, 3)], "preset": "early"},
        {"layout": {"objects": []}},
        {"callback_on_step_end": lambda pipe, step, timestep, given: given},
    ],
)
def test_a_picture_is_made_again_bit_for_bit(pipe, tmp_path, options):
    output = draw(pipe, **options)
    again = draw_again(pipe, saved(output, tmp_path))
    assert pixels(again) == pixels(output) and again.layouts == output.layouts


@pytest.mark.parametrize("seeds", [(5, 9, 7), 5], ids=["each", "one"])
@pytest.mark.parametrize("index", [0, 2])
def test_each_of_several_pictures_is_made_again(pipe, tmp_path, seeds, index):
    generator = seeded(*seeds) if isinstance(seeds, tuple) else torch.Generator().manual_seed(seeds)
    output = draw(pipe, num_images_per_prompt=3, generator=generator)
    making = saved(output, tmp_path, index)
    assert making.number == index + 1 and pixels(draw_again(pipe, making), index) == pixels(output, index)


@pytest.mark.parametrize("optimizer", [3, WeightOptimizer(epochs=3, noises=1, learning_rate=1.0)])
def test_the_best_of_several_is_made_again(pipe, judge, tmp_path, optimizer):
    pipe.clip_model = judge
    output = draw(pipe, optimize_weights=optimizer)
    assert pixels(draw_again(pipe, saved(output, tmp_path))) == pixels(output)


def test_an_optimisation_that_was_ended_is_made_again_as_far_as_it_went(pipe, judge, tmp_path):
    pipe.clip_model = judge
    steps = []

    def interrupt(pipe, step, timestep, given):
        steps.append(step)
        pipe._interrupt = len(steps) == 10  # in the third picture
        return given

    output = draw(pipe, optimize_weights=6, callback_on_step_end=interrupt)
    making = saved(output, tmp_path)
    assert making.optimize_weights["epochs"] == 2 and pixels(draw_again(pipe, making)) == pixels(output)


def test_the_scheduler_and_the_defaults_are_the_pictures_own_for_one_call(pipe, tmp_path):
    own, pipe.scheduler = pipe.scheduler, EulerAncestralDiscreteScheduler.from_config(pipe.scheduler.config)
    pipe.guided_strength = 2.0
    output = draw(pipe)
    making = saved(output, tmp_path)
    pipe.scheduler, pipe.preset = own, "early"
    assert pixels(draw_again(pipe, making)) == pixels(output)
    assert pipe.scheduler is own and pipe.preset == "early"


def test_steps_of_ones_own_are_kept(pipe, tmp_path):
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    output = draw(pipe, timesteps=[900, 500, 100])
    assert pixels(draw_again(pipe, saved(output, tmp_path))) == pixels(output)


def test_it_is_made_again_in_every_family(pipes, family, tmp_path):
    pipe, _ = pipes
    of_sdxl = {"prompt_2": "a sunny day", "original_size": (64, 64), "crops_coords_top_left": (4, 8)}
    output = draw(pipe, **(of_sdxl if family == "SDXL" else {}))
    assert pixels(draw_again(pipe, saved(output, tmp_path))) == pixels(output)


def test_another_seed_gives_another_picture_of_the_same_making(pipe, tmp_path):
    making = saved(draw(pipe, num_images_per_prompt=2, generator=seeded(1, 2)), tmp_path)
    assert pixels(draw_again(pipe, making, seed=8)) == pixels(draw(pipe, generator=seeded(8)))


def test_a_file_of_weights_has_to_be_given_again(pipe, tmp_path):
    for name in ("weights", "others"):
        latents = torch.randn(4, 16, 16)
        save_weights(tmp_path / f"{name}.safetensors", torch.rand(2, 3), "guided", LAYOUT.phrases, latents)
    output = draw(pipe, weights=str(tmp_path / "weights.safetensors"))
    making = saved(output, tmp_path)
    with pytest.raises(ValueError, match="weights in 'weights.safetensors': give that file"):
        draw_again(pipe, making)
    with pytest.raises(ValueError, match="holds other weights"):
        draw_again(pipe, making, weights=tmp_path / "others.safetensors")
    (tmp_path / "weights.safetensors").rename(tmp_path / "moved.safetensors")
    assert pixels(draw_again(pipe, making, weights=tmp_path / "moved.safetensors")) == pixels(output)
    with pytest.raises(ValueError, match="without a file of weights"):
        draw_again(pipe, making_of(draw(pipe)), weights=tmp_path / "moved.safetensors")


def test_a_picture_that_begins_from_the_noise_of_a_file_has_no_seed_of_its_own(pipe, tmp_path):
    path = str(tmp_path / "w.safetensors")
    save_weights(path, torch.rand(2, 3), "guided", LAYOUT.phrases, torch.randn(4, 16, 16))
    first, second = draw(pipe, weights=path), draw(pipe, weights=path, generator=seeded(9))
    assert pixels(first) == pixels(second)
    making = saved(second, tmp_path)
    assert making.weights["noise"] is True and making.seed == [9] and making.own_seed is None
    assert "Seed" not in parameters(making) and "Seed" in parameters(making_of(draw(pipe)))
    without = making_of(draw(pipe, weights=path, generator=None))
    assert pixels(draw_again(pipe, without, 5, path)) == pixels(first)
    assert pixels(draw_again(pipe, making, 3, path)) == pixels(second)
    assert pixels(draw_again(pipe, making, weights=path)) == pixels(second)
    taller = {"weights": path, "height": 48}  # for which the file's noise does not do
    making = saved(draw(pipe, **taller), tmp_path)
    assert "noise" not in making.weights and making.own_seed == 5
    assert pixels(draw_again(pipe, making, 6, path)) == pixels(draw(pipe, generator=seeded(6), **taller))


def test_what_no_text_holds_is_named(pipe, tmp_path):
    used = torch.Generator().manual_seed(5)
    torch.rand(1, generator=used)
    cases = {
        "latents": {"latents": torch.randn(1, 4, 16, 16)},
        "seed": {"generator": used},
        "callback_on_step_end": {"callback_on_step_end": SDCFGCutoffCallback(cutoff_step_ratio=0.5)},
        "prompt": {"prompt": [PROMPT, "a dog"], "layout": [LAYOUT, LAYOUT], "generator": seeded(1, 2)},
        "layout": {"prompt": [PROMPT, "a dog"], "layout": [LAYOUT, {"objects": []}], "generator": seeded(1, 2)},
        "prompt_embeds": {"prompt": None, "prompt_embeds": pipe.encode_prompt(PROMPT, "cpu", 1, False)[0]},
    }
    for name, options in cases.items():
        making = saved(draw(pipe, **options), tmp_path)
        with pytest.raises(ValueError, match=f"cannot be made again: it does not hold .*{name}"):
            draw_again(pipe, making)


def test_without_a_seed_it_takes_one(pipe, tmp_path):
    making = saved(draw(pipe, generator=None), tmp_path)
    with pytest.raises(ValueError, match="it has no seed"):
        draw_again(pipe, making)
    assert pixels(draw_again(pipe, making, seed=5)) == pixels(draw(pipe))


def test_adapters_have_to_be_loaded_as_they_were(pipe, tmp_path):
    making = saved(draw(pipe), tmp_path)
    assert making.adapters == {}
    add_lora(pipe.unet)
    output = draw(pipe)
    with pytest.raises(ValueError, match="adapters {}, and the pipeline has {'style': 1.0}"):
        draw_again(pipe, making)
    with_adapter = saved(output, tmp_path)
    assert with_adapter.adapters == {"style": 1.0} and pixels(draw_again(pipe, with_adapter)) == pixels(output)


def add_lora(model: torch.nn.Module, name: str = "style", layers: str | list[str] = ["to_k", "to_v"]) -> None:  # noqa: B006
    from peft import LoraConfig

    model.add_adapter(LoraConfig(r=2, lora_alpha=4, target_modules=layers, init_lora_weights=False), name)


def test_adapters_of_different_layers_and_of_the_text_encoder_are_all_kept(pipe, tmp_path):
    add_lora(pipe.unet, "anna", r".*down_blocks.*to_[kv]")
    add_lora(pipe.unet, "bella", r".*up_blocks.*to_[kv]")
    pipe.unet.set_adapters(["anna", "bella"], [1.0, 0.25])
    add_lora(pipe.text_encoder, "tone", ["q_proj"])
    assert saved(draw(pipe), tmp_path).adapters == {"anna": 1.0, "bella": 0.25, "tone": 1.0}


def test_an_adapter_with_several_scales_tells_all(pipe, tmp_path):
    add_lora(pipe.unet)
    pipe.unet.set_adapters(["style"], [{"down": 0.5, "mid": 1.0, "up": 0.25}])
    output = draw(pipe)
    making = saved(output, tmp_path)
    assert making.adapters == {"style": [0.5, 0.25, 1.0]} and pixels(draw_again(pipe, making)) == pixels(output)
    pipe.set_adapters(["style"], [0.5])
    with pytest.raises(ValueError, match="and the pipeline has {'style': 0.5}"):
        draw_again(pipe, making)


def test_adapters_of_regions_have_to_be_loaded_as_they_were(pipe, tmp_path):
    for name in ("anna", "bella", "other"):
        add_lora(pipe.unet, name)
    pipe.set_adapters(["bella"], [0.5])
    output = draw(pipe, layout=LAYOUT.edit(0, adapters={"anna": 0.75}))
    making = saved(output, tmp_path)
    assert making.adapters == {"anna": 1.0, "bella": 0.5} and making.layout[0].adapters == {"anna": 0.75}
    assert pixels(draw_again(pipe, making)) == pixels(output) != pixels(draw(pipe))
    pipe.delete_adapters("anna")
    with pytest.raises(ValueError, match="adapters {'anna': 1.0, 'bella': 0.5}, and the pipeline has {'bella': 0.5}"):
        draw_again(pipe, making)


def test_pictures_of_regions_are_kept_and_need_their_ip_adapter(make, vision, tmp_path):
    pipe, _ = make("SD")
    add_ip_adapter(pipe)
    pipe.register_modules(**vision)
    pipe.set_ip_adapter_scale(0.5)
    shown = Image.effect_mandelbrot((40, 30), (-2, -1, 1, 1), 20)
    output = draw(pipe, layout=LAYOUT.edit(0, image=shown))
    making = saved(output, tmp_path)
    assert making.adapters == {"IP-Adapter": 0.5} and pixels(draw_again(pipe, making)) == pixels(output)
    pipe.set_ip_adapter_scale(1.0)
    with pytest.raises(ValueError, match="adapters {'IP-Adapter': 0.5}, and the pipeline has {'IP-Adapter': 1.0}"):
        draw_again(pipe, making)
    pipe.unload_ip_adapter()
    with pytest.raises(ValueError, match="and the pipeline has {}"):
        draw_again(pipe, making)


# What it tells


def test_other_tools_read_the_parameters(pipe, tmp_path):
    output = draw(pipe, negative_prompt="rain, fog", clip_skip=1, generator=seeded(5))
    save_picture(output, 0, tmp_path / "picture.png")
    prompt, negative, last = Image.open(tmp_path / "picture.png").text["parameters"].split("\n")
    assert prompt == PROMPT and negative == "Negative prompt: rain, fog"
    told = dict(re.findall(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', last))  # as the web UI reads them
    expected = {"Steps": "3", "Sampler": "PLMS", "CFG scale": "7.5", "Seed": "5", "Size": "32x32", "Clip skip": "2"}
    assert expected.items() <= told.items()


def test_each_picture_tells_its_own_seed(pipe):
    output = draw(pipe, num_images_per_prompt=2, generator=seeded(5, 9))
    assert [making_of(output, index).own_seed for index in (0, 1)] == [5, 9]
    assert "Seed: 9" in parameters(making_of(output, 1))


def test_texts_of_any_script_are_kept(pipe, tmp_path):
    prompt = 'a caf\u00e9, "caf\u00e9": \U0001f34e\n\u4e2d\u6587 a:b'
    making = saved(draw(pipe, prompt, negative_prompt="\u00e9"), tmp_path)
    assert making.prompt == prompt and making.arguments["negative_prompt"] == "\u00e9"


def test_no_folder_of_the_disk_is_told(pipe, tmp_path):
    pipe.save_pretrained(tmp_path / "my_model")
    pipe = SpaceTimeAttnPipeline.from_pretrained(tmp_path / "my_model")
    making = saved(draw(pipe), tmp_path)
    assert making.model == "my_model" and str(tmp_path).encode() not in (tmp_path / "picture.png").read_bytes()


def test_no_folder_that_stands_beside_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "secret").mkdir(parents=True)
    assert public_name("models/secret") == public_name("./models/secret/") == "secret"
    assert public_name("models/public") == "models/public"  # an id on the Hub


def test_only_pngs_remember(pipe, tmp_path):
    output = draw(pipe)
    with pytest.raises(ValueError, match="end it in .png"):
        save_picture(output, 0, tmp_path / "picture.jpg")
    with pytest.raises(IndexError, match="no picture 1 among 1"):
        save_picture(output, 1, tmp_path / "picture.png")
    with pytest.raises(TypeError, match="output_type='pil'"):
        save_picture(draw(pipe, output_type="np"), 0, tmp_path / "picture.png")
    with pytest.raises(ValueError, match="Only outputs of SpaceTimeAttnPipeline"):
        save_picture(pipe.stock(PROMPT, num_inference_steps=1), 0, tmp_path / "picture.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("limit", ["_MOST_CHARACTERS", "_MOST_PIXELS"])
def test_a_making_that_is_too_large_is_left_out(pipe, tmp_path, monkeypatch, caplog, limit):
    layout = LAYOUT.edit(1, mask=np.eye(16))
    making = making_of(draw(pipe, layout=layout))
    monkeypatch.setattr(f"spacetime_attn.pictures.{limit}", 100)
    save_picture(draw(pipe, layout=layout), 0, tmp_path / "picture.png")
    assert "Take smaller" in caplog.text and CHUNK not in Image.open(tmp_path / "picture.png").text
    with pytest.raises(ValueError, match="Take smaller|more than 100"):
        (tmp_path / "a.png").write_bytes(png(text=json.dumps(making.to_dict())))
        read_picture(tmp_path / "a.png")


# What is no making


def png(chunk: bytes | None = None, text: str | None = None) -> bytes:
    """A small PNG, with a chunk of bytes behind its header, or with our text."""
    texts, file = PngInfo(), io.BytesIO()
    if text is not None:
        texts.add_text(CHUNK, text)
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=texts)
    content = file.getvalue()
    return content if chunk is None else content[:33] + chunk + content[33:]


def png_mask(side: int) -> str:
    """A mask that is nearly all black, as layouts have it."""
    file, mask = io.BytesIO(), Image.new("L", (side, side))
    mask.putpixel((0, 0), 255)
    mask.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


LARGE = png_mask(2048)
BOX = {"phrase": "a cat", "box": [0, 0, 1, 1]}


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


BOMB = CHUNK.encode() + b"\0\0" + zlib.compress(b" " * 50 * 2**20)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is no PNG that can be read"),
        (b"GIF89a", "is no PNG that can be read"),
        (png()[:20], "is no PNG that can be read"),
        (png(), "does not tell what it was made from"),
        (png(text=""), "is not valid JSON|Expecting value"),
        (png(text="{"), "cannot be read: Expecting"),
        (png(text="[" * 100_000), "cannot be read"),
        (png(text="9" * 10_000), "cannot be read"),
        (png(text=json.dumps([0] * 4_000_000)), "has more than 4194304 characters"),
        (png(text=json.dumps({"version": 2})), "is of version 2, newer than this release reads"),
        (png(text=json.dumps({"version": 1})), "it lacks"),
        (png(text=json.dumps({"version": True})), "a JSON object with a version"),
        (png(chunk(b"zTXt", BOMB)), "is no PNG that can be read .*too large"),
        (png(chunk(b"iTXt", BOMB[:-5])), "is no PNG that can be read|does not tell"),
    ],
)
def test_what_is_no_making_is_told(tmp_path, content, complaint):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match=complaint):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"prompt": 3}, "`prompt` has to be of type str"),
        ({"layout": []}, "A layout is a JSON object"),
        ({"layout": {"objects": [{"phrase": "a cat", "mask": LARGE}] * 5}}, "have more than 16777216 pixels"),
        ({"layout": {"objects": [{**BOX, "image": LARGE}] * 5}}, "have more than 16777216 pixels"),
        ({"layout": {"objects": [{"phrase": "a cat", "mask": "data:image/png;base64,"}]}}, "holds no PNG"),
        ({"layout": {"objects": [{"phrase": "a cat", "box": [0, 0, 9, 9]}]}}, "has to lie in 0..1"),
        ({"number": 2}, "do not fit"),
        ({"number": True}, "`number` has to be of type int"),
        ({"pictures": 10**9}, "has to be a whole number from 1"),
        ({"seed": [1, 2]}, "do not fit"),
        ({"seed": [1.5]}, "`seed` has to be whole numbers"),
        ({"seed": -1}, "`seed` has to be whole numbers"),
        ({"scheduler": {}}, "has to have a 'class'"),
        ({"arguments": None}, "`arguments` has to be of type dict"),
        ({"more": 1}, "unknown keys"),
    ],
)
def test_wrong_fields_are_named(making, tmp_path, changes, complaint):
    (tmp_path / "a.png").write_bytes(png(text=json.dumps(making.to_dict() | changes)))
    with pytest.raises(ValueError, match=f"What 'a.png' says of its making cannot be read: .*{complaint}"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"scheduler": {"class": "os", "config": {}}}, "scheduler 'os', which diffusers does not have"),
        ({"scheduler": {"class": "UNet2DConditionModel", "config": {}}}, "which diffusers does not have"),
        ({"scheduler": {"class": "DDIMScheduler", "config": {"num_train_timesteps": 10**12}}}, "num_train_timesteps"),
        ({"scheduler": {"class": "DDIMScheduler", "config": {"num_train_timesteps": "x"}}}, "whole number in 1"),
        ({"scheduler": {"class": "DDIMScheduler", "config": {"beta_start": "x"}}}, "no DDIMScheduler that"),
        ({"defaults": {"guided_strength": "x"}}, "guided_strength"),
        ({"defaults": {"magic": 1}}, "magic"),
        ({"optimize_weights": {"magic": 1}}, "magic"),
        ({"arguments": {"magic": 1}}, "arguments .'magic'., which the pipeline has not"),
        ({"arguments": {"prompt": "x"}}, "arguments .'prompt'., which the pipeline has not"),
        ({"arguments": {"output_type": "latent"}}, "arguments .'output_type'."),
        ({"arguments": {"return_dict": False}}, "arguments .'return_dict'."),
        ({"arguments": {"callback_on_step_end": "x"}}, "arguments .'callback_on_step_end'."),
        ({"arguments": {"latents": "x", "prompt_embeds": [1]}}, "arguments .'latents', 'prompt_embeds'."),
        ({"arguments": {"num_inference_steps": "x"}}, "num_inference_steps"),
        ({"arguments": {"original_size": 3}}, "original_size"),
        ({"weights": [["x"]]}, "weights"),
        ({"generator": "nowhere"}, "nowhere"),
    ],
)
def test_what_makes_no_sense_is_told_and_leaves_the_pipeline_as_it_was(pipe, making, changes, complaint):
    scheduler, config = pipe.scheduler, dict(pipe.config)
    with pytest.raises((ValueError, TypeError), match=complaint):
        draw_again(pipe, Making.from_dict(making.to_dict() | changes))
    assert pipe.scheduler is scheduler and dict(pipe.config) == config


def test_a_missing_picture_is_told():
    with pytest.raises(ValueError, match="There is no picture 'none.png'"):
        read_picture("nowhere/none.png")


# The command


def test_the_command_makes_a_picture_again(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--num-images", "2", "--optimize", "2", "--seed", "3", "--negative-prompt", "a dog", *FAST]
    assert main(["generate", PROMPT, "-o", "a.png", "--save-layout", "a.json", *options]) == 0
    assert main(["generate", "--like", "a-2.png", "-o", "b.png", "--save-layout", "b.json"]) == 0
    assert (tmp_path / "a-2.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Layout.load("a.json") == Layout.load("b.json") and "b.png (seed 4; distances" in capsys.readouterr().out
    assert main(["generate", "--like", "a-2.png", "-o", "c.png", "--seed", "8"]) == 0
    assert read_picture("c.png").seed == [8] and Image.open("c.png").tobytes() != Image.open("b.png").tobytes()


def test_pictures_of_a_file_of_weights_need_that_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["generate", PROMPT, "-o", "a.png", "--optimize", "2", "--save-weights", "w.safetensors", *FAST])
    main(["generate", PROMPT, "-o", "b.png", "--weights", "w.safetensors", *FAST])
    capsys.readouterr()
    monkeypatch.setattr("spacetime_attn.cli.generating.load_pipeline", pytest.fail)
    assert main(["generate", "--like", "b.png", "-o", "c.png"]) == 2
    assert "weights in 'w.safetensors': give that file" in capsys.readouterr().err
    assert main(["generate", "--like", "b.png", "-o", "c.png", "--weights", "0.5"]) == 2
    assert "--weights with --like is the file" in capsys.readouterr().err
    again = ["generate", "--like", "b.png", "-o", "c.png", "--weights", "w.safetensors"]
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert main(again) == 0 and "c.png (the noise of its weights)" in capsys.readouterr().out
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "c.png").read_bytes()


def test_the_command_tells_where_a_picture_begins_from_noise_that_a_file_holds(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_weights("w.safetensors", torch.rand(2, 2), "guided", ["a red cat", "a green bus"], torch.randn(4, 16, 16))
    call = ["generate", PROMPT, "-o", "a.png", "--weights", "w.safetensors", "--seed", "9", *FAST]
    assert main(call) == 0 and "a.png (the noise of its weights)" in capsys.readouterr().out
    assert read_picture("a.png").has_noise_of_file
    for others, written in ((["--num-images", "2"], "a-2.png"), (["--width", "96"], "a.png")):
        assert main([*call, *others]) == 0 and not read_picture(written).has_noise_of_file


def test_all_else_comes_from_the_picture(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for option in (["--steps", "1"], ["--num-images", "2"], ["--resume"], ["--layout", "a.json"]):
        assert main(["generate", "--like", "a.png", "-o", "b.png", *option]) == 2
        assert f"{option[0]} does not go with --like" in capsys.readouterr().err


def test_no_metadata_leaves_all_out(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["generate", PROMPT, "-o", "a.png", "--show-layout", "--no-metadata", *FAST]) == 0
    for name in ("a.png", "a.layout.png"):
        assert Image.open(name).text == {}
    assert main(["generate", "--like", "a.png", "-o", "b.png"]) == 2
    assert "does not tell what it was made from" in capsys.readouterr().err


def test_a_model_on_some_disk_has_to_be_named(tmp_path, capsys, stock, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stock.save_pretrained("my_model")
    assert main(["generate", PROMPT, "-o", "a.png", "--model", "my_model", *FAST]) == 0
    assert main(["generate", "--like", "a.png", "-o", "b.png"]) == 2
    assert "made with my_model: add --model" in capsys.readouterr().err
    assert main(["generate", "--like", "a.png", "-o", "b.png", "--model", "my_model"]) == 0
    assert Image.open("a.png").tobytes() == Image.open("b.png").tobytes()


@pytest.mark.parametrize("changes", [{"dtype": "nope"}, {"device": "meta"}, {"device": "nope"}], ids=str)
def test_a_place_that_is_none_is_told(making, tmp_path, capsys, changes):
    (tmp_path / "a.png").write_bytes(png(text=json.dumps(making.to_dict() | {"model": "default"} | changes)))
    assert main(["generate", "--like", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert next(iter(changes.values())) in line and f"--{next(iter(changes))}" in line


def test_what_shows_the_layout_is_not_what_was_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["generate", PROMPT, "-o", "a.png", "--show-layout", *FAST]) == 0
    assert Image.open("a.layout.png").text == {}


def test_another_number_of_threads_is_told(making):
    assert making.threads == torch.get_num_threads() and changes_since(making) == []
    other = replace(making, threads=making.threads + 1)
    assert changes_since(other) == [f"made with threads {other.threads}, now {making.threads}"]
    assert changes_since(replace(other, device="cuda")) == changes_since(replace(other, threads=None)) == []


def test_other_versions_are_told(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["generate", PROMPT, "-o", "a.png", *FAST])
    monkeypatch.setattr("spacetime_attn.pictures.__version__", "9.9")
    assert main(["generate", "--like", "a.png", "-o", "b.png"]) == 0
    assert re.search(r"made with spacetime_attn '[\d.]+', now 9.9: the picture may differ", capsys.readouterr().err)
