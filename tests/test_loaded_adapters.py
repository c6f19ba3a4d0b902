"""LoRAs and an IP-Adapter that the command loads, and pictures that remember them."""

import copy
import json
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from fake_hub import FakeHub
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import save_file
from test_adapters import ip_adapter_state
from transformer_pipelines import flux, pixart

from conftest import TINY_VISION, tiny_components
from spacetime_attn import Layout, Region, SpaceTimeAttnPipeline, default_model, draw_again, read_picture
from spacetime_attn.adapters import AdapterFile, Adapters, with_pictures
from spacetime_attn.cli import main
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection


PROMPT = "a cat above a green bus"
SMALL = ["--steps", "2", "--width", "32", "--height", "32"]


def save_lora(pipe, path: Path, **options) -> None:
    torch.manual_seed(sum(map(ord, path.stem)))
    adapted = copy.deepcopy(pipe.unet)
    adapted.add_adapter(LoraConfig(r=2, target_modules=["to_k", "to_v"], init_lora_weights=False, **options))
    layers = get_peft_model_state_dict(adapted)
    pipe.save_lora_weights(path.parent, unet_lora_layers=layers, weight_name=path.name)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a tiny checkpoint, LoRAs and an IP-Adapter for it."""
    folder = tmp_path_factory.mktemp("place")
    stock = StableDiffusionPipeline(**tiny_components(), requires_safety_checker=False)
    stock.save_pretrained(folder / "model")
    for name in ("anna.safetensors", "bella_v1.5.safetensors", "style/pytorch_lora_weights.safetensors"):
        (folder / name).parent.mkdir(exist_ok=True)
        save_lora(stock, folder / name)
    torch.manual_seed(4)
    state = {f"{part}.{name}": x for part, own in ip_adapter_state(stock.unet).items() for name, x in own.items()}
    (folder / "ip").mkdir()
    save_file(state, folder / "ip/ip.safetensors")
    torch.manual_seed(5)
    encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(**TINY_VISION, projection_dim=8))
    encoder.save_pretrained(folder / "ip/image_encoder")
    shades = (Image.new("RGB", (40, 40), (shade, shade, shade)) for shade in (20, 230))
    for name, picture in zip(("dark", "light"), shades):
        Layout((Region("a cat", box=(0, 0, 0.5, 1), image=picture),), prompt=PROMPT).save(folder / f"{name}.json")
    loras = {"anna": 1.0}
    Layout((Region("a cat", box=(0, 0, 0.5, 1), adapters=loras),), prompt=PROMPT).save(folder / "anna.json")
    return folder


@pytest.fixture
def draw(place, tmp_path, monkeypatch):
    """Runs `generate` beside these files; the picture's path."""
    monkeypatch.chdir(place)

    def drawn(*options: str, prompt=(PROMPT, *SMALL, "--model", "model")) -> Path:
        target = tmp_path / f"{len(list(tmp_path.iterdir()))}.png"
        assert main(["generate", *prompt, "-o", str(target), *options]) == 0
        return target

    return drawn


def pixels(path: Path) -> bytes:
    return Image.open(path).tobytes()


def told(capsys, *arguments: str) -> str:
    """The one line of what is refused."""
    capsys.readouterr()
    assert main(["generate", PROMPT, "-o", "never.png", "--model", "model", *SMALL, *arguments]) == 2
    assert not Path("never.png").exists()
    return capsys.readouterr().err.splitlines()[-1].removeprefix("spacetime-attn: error: ")


# What is written


@pytest.mark.parametrize(
    ("text", "name", "weight_name", "scale"),
    [
        ("anna.safetensors", "anna", "anna.safetensors", 1.0),
        ("her=anna.safetensors:0.8", "her", "anna.safetensors", 0.8),
        ("bella_v1.5.safetensors:-1", "bella_v1_5", "bella_v1.5.safetensors", -1.0),
        ("style", "style", "pytorch_lora_weights.safetensors", 1.0),
        ("./ip:.5", "ip", "ip.safetensors", 0.5),
    ],
)
def test_a_lora_is_a_file_or_a_folder_with_a_name_and_a_scale(place, monkeypatch, text, name, weight_name, scale):
    monkeypatch.chdir(place)
    [found] = Adapters.asked([text], None).loras
    assert (found.name, found.weight_name, found.scale) == (name, weight_name, scale) and found.path.is_file()


def test_a_place_on_the_hub_may_name_a_folder_and_a_file():
    found = AdapterFile.written("user/name/models/ip.bin:0.5", "IP-Adapter")
    assert (found.repository, found.subfolder, found.weight_name, found.scale) == (
        "user/name",
        "models",
        "ip.bin",
        0.5,
    )


# Drawing


def test_loras_act_with_their_scales(draw):
    plain, full, half, none = (
        draw(*options)
        for options in (
            [],
            ["--lora", "anna.safetensors"],
            ["--lora", "x=anna.safetensors:.5"],
            ["--lora", "anna.safetensors:0"],
        )
    )
    assert len({pixels(path) for path in (plain, full, half)}) == 3 and pixels(none) == pixels(plain)
    assert read_picture(half).adapters == {"x": 0.5}


def test_regions_name_loras(draw):
    lora = ["--lora", "anna.safetensors"]
    inside, everywhere = draw("--layout", "anna.json", *lora), draw("--layout", "dark.json", *lora[:0])
    assert True


def test_pictures_of_regions_are_shown(draw):
    adapter = ["--ip-adapter", "ip/ip.safetensors:0.7"]
    dark, light = (draw("--layout", f"{name}.json", *adapter) for name in ("dark", "light"))
    assert pixels(dark) != pixels(light) and read_picture(dark).adapters == {"IP-Adapter": 0.7}
    plain, beside = draw(), draw(*adapter)  # without a picture it has nothing to show
    assert pixels(plain) == pixels(beside) and read_picture(beside).adapters == {}
