"""LoRAs and an IP-Adapter that the command loads, and pictures that remember them."""

import copy
import json
from pathlib import Path

import huggingface_hub
import pytest
import torch
from conftest import TINY_VISION, tiny_components, tiny_sdxl_components
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from fake_hub import FakeHub
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import save_file
from test_adapters import ip_adapter_state
from transformer_pipelines import flux, pixart
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from spacetime_attn import Layout, Region, SpaceTimeAttnPipeline, draw_again, read_picture
from spacetime_attn.adapters import AdapterFile, Adapters
from spacetime_attn.cli import main
from spacetime_attn.editor.abilities import Abilities


PROMPT = "a cat above a green bus"
SMALL = ["--steps", "2", "--width", "32", "--height", "32"]
LORA, IP_ADAPTER = ["--lora", "anna.safetensors:0.8"], ["--ip-adapter", "ip/ip.safetensors:0.7"]


def save_lora(pipe, path: Path) -> None:
    torch.manual_seed(sum(map(ord, path.stem)))
    adapted = copy.deepcopy(pipe.unet)
    adapted.add_adapter(LoraConfig(r=2, target_modules=["to_k", "to_v"], init_lora_weights=False))
    layers = get_peft_model_state_dict(adapted)
    pipe.save_lora_weights(path.parent, unet_lora_layers=layers, weight_name=path.name)


def save_ip_adapter(unet, folder: Path) -> None:
    """With its image encoder."""
    torch.manual_seed(4)
    state = {f"{part}.{name}": x for part, own in ip_adapter_state(unet).items() for name, x in own.items()}
    encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(**TINY_VISION, projection_dim=8))
    encoder.save_pretrained(folder / "image_encoder")
    save_file(state, folder / "ip.safetensors")


def save_layout(path: Path, **region) -> None:
    Layout((Region("a cat", box=(0, 0, 0.5, 1), **region),), prompt=PROMPT).save(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a tiny checkpoint, and LoRAs, an IP-Adapter and layouts for it."""
    folder = tmp_path_factory.mktemp("place")
    stock = StableDiffusionPipeline(**tiny_components(), requires_safety_checker=False)
    stock.save_pretrained(folder / "model")
    for name in ("anna.safetensors", "bella_v1.5.safetensors", "style/pytorch_lora_weights.safetensors"):
        (folder / name).parent.mkdir(exist_ok=True)
        save_lora(stock, folder / name)
    save_ip_adapter(stock.unet, folder / "ip")
    for name, shade in (("dark", 20), ("light", 230)):
        save_layout(folder / f"{name}.json", image=Image.new("RGB", (40, 40), (shade,) * 3))
    save_layout(folder / "anna.json", adapters={"anna": 1.0})
    save_layout(folder / "plain.json")
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch) -> None:
    """The folder to work in."""
    monkeypatch.chdir(place)


@pytest.fixture
def draw(tmp_path):
    """Runs `generate`; gives the picture's path."""

    def drawn(*options: str, of=(PROMPT, *SMALL, "--model", "model")) -> Path:
        target = tmp_path / f"{len(list(tmp_path.iterdir()))}.png"
        assert main(["generate", *of, "-o", str(target), *options]) == 0
        return target

    return drawn


def pixels(path: Path) -> bytes:
    return Image.open(path).tobytes()


def refusal(capsys, *options: str) -> str:
    """Of `generate`, which tells it in one line and writes nothing."""
    capsys.readouterr()
    assert main(["generate", "-o", "never.png", *options]) == 2 and not Path("never.png").exists()
    return capsys.readouterr().err.splitlines()[-1].removeprefix("spacetime-attn: error: ")


# What is written


@pytest.mark.parametrize(
    ("text", "name", "weight_name", "scale"),
    [
        ("anna.safetensors", "anna", "anna.safetensors", 1.0),
        ("her=./anna.safetensors:0.8", "her", "anna.safetensors", 0.8),
        ("bella_v1.5.safetensors:-1", "bella_v1_5", "bella_v1.5.safetensors", -1.0),
        ("style", "style", "pytorch_lora_weights.safetensors", 1.0),
        ("ip:.5", "ip", "ip.safetensors", 0.5),
    ],
)
def test_a_lora_is_a_file_or_a_folder_with_a_name_and_a_scale(text, name, weight_name, scale):
    [found] = Adapters.asked([text], None).loras
    assert (found.name, found.weight_name, found.scale) == (name, weight_name, scale) and found.path.is_file()


def test_a_place_on_the_hub_is_a_repository_with_folders_and_a_file():
    found = AdapterFile.written("user/name/models/ip.bin:0.5", "IP-Adapter")
    assert (found.repository, found.subfolder, found.weight_name) == ("user/name", "models", "ip.bin")
    assert found.scale == 0.5 and found.place == "user/name/models/ip.bin"


# Drawing


def test_loras_act_with_their_scales(draw):
    plain, full, half = draw(), draw("--lora", "anna.safetensors"), draw("--lora", "x=anna.safetensors:.5")
    assert len({pixels(path) for path in (plain, full, half)}) == 3
    assert pixels(draw("--lora", "anna.safetensors:0")) == pixels(plain)
    assert read_picture(half).adapters == {"x": 0.5}


def test_regions_name_the_loras(draw):
    both = ["--lora", "anna.safetensors", "--lora", "bella_v1.5.safetensors:0.5"]
    inside, everywhere = (draw("--layout", f"{name}.json", *both) for name in ("anna", "plain"))
    narrow = draw("--layout", "anna.json", *both, "--adapter-layers", "cross_attention")
    assert len({pixels(path) for path in (inside, everywhere, narrow)}) == 3
    assert read_picture(inside).adapters == {"anna": 1.0, "bella_v1_5": 0.5}


def test_pictures_of_regions_are_shown_and_without_one_all_is_as_without_an_ip_adapter(draw, capsys):
    dark, light = (draw("--layout", f"{name}.json", *IP_ADAPTER) for name in ("dark", "light"))
    assert pixels(dark) != pixels(light) and read_picture(dark).adapters == {"IP-Adapter": 0.7}
    assert "takes no part" not in capsys.readouterr().err
    larger = ["--upscale", "2", "--upscale-strength", "0.5"]
    beside = draw(*IP_ADAPTER, *larger)
    assert "No region has a picture: the IP-Adapter takes no part." in capsys.readouterr().err
    assert pixels(beside) == pixels(draw(*larger)) and read_picture(beside).adapters == {}


@pytest.mark.parametrize("family", ["SD", "SDXL"])
def test_they_are_loaded_into_checkpoints_with_a_unet(make, tmp_path, family):
    pipe, stock = make(family)
    save_lora(stock, tmp_path / "anna.safetensors")
    save_ip_adapter(stock.unet, tmp_path / "ip")

    def latents(**region) -> torch.Tensor:
        options = {"num_inference_steps": 1, "output_type": "latent", "generator": torch.manual_seed(0)}
        return pipe(PROMPT, layout=Layout((Region("a cat", box=(0, 0, 0.5, 1), **region),)), **options).images

    before, dark, light = latents(), *(Image.new("L", (8, 8), shade) for shade in (20, 230))
    Adapters.asked([f"{tmp_path}/anna.safetensors"], f"{tmp_path}/ip").load(pipe)
    assert Abilities.of(pipe) == Abilities(("anna",), pictures=True)
    after = [
        latents(image=image, adapters=loras) for image in (dark, light) for loras in ({"anna": 1.0}, {"anna": 0.0})
    ]
    assert not any(torch.allclose(a, b, atol=1e-3) for n, a in enumerate([before, *after]) for b in after[n:])


def test_models_with_transformers_take_loras_everywhere(tmp_path):
    pipe = flux()
    pipe.save_pretrained(tmp_path / "flux")
    adapted = copy.deepcopy(pipe.transformer)
    adapted.add_adapter(LoraConfig(r=2, target_modules=["to_k"], init_lora_weights=False))
    pipe.save_lora_weights(tmp_path, transformer_lora_layers=get_peft_model_state_dict(adapted))
    options = [PROMPT, *SMALL, "--model", str(tmp_path / "flux"), "-o", str(tmp_path / "a.png")]
    assert main(["generate", *options]) == 0
    plain = pixels(tmp_path / "a.png")
    assert main(["generate", *options, "--lora", f"x={tmp_path}/pytorch_lora_weights.safetensors"]) == 0
    assert pixels(tmp_path / "a.png") != plain and read_picture(tmp_path / "a.png").adapters == {"x": 1.0}


def test_what_is_on_the_hub_is_downloaded(place, draw, tmp_path_factory, monkeypatch, capsys):
    repos = {"user/anna": place / "style", "user/adapters": place}
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path_factory.mktemp("cache")))
    local = draw("--lora", "anna=style", "--ip-adapter", "ip", "--layout", "dark.json")
    with FakeHub(repos) as hub:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", hub.url)
        places = ["--lora", "user/anna", "--ip-adapter", "user/adapters/ip"]
        assert pixels(made := draw(*places, "--layout", "dark.json")) == pixels(local)
        assert read_picture(made).adapter_files["anna"]["file"] == "user/anna/pytorch_lora_weights.safetensors"
        assert pixels(draw(of=["--like", str(made), "--model", "model"])) == pixels(made)
        missing = refusal(capsys, PROMPT, "--lora", "user/none/a.safetensors")
        assert "no file or folder 'user/none/a.safetensors', and the Hub does not give it: " in missing
        assert "'user/adapters' holds 2 .safetensors files" in refusal(capsys, PROMPT, "--lora", "user/adapters")


# Pictures that remember


def test_a_picture_is_made_again_with_the_files_that_it_was_made_with(draw, capsys):
    made = draw(*LORA, *IP_ADAPTER, "--layout", "dark.json")
    making = read_picture(made)
    assert making.adapters == {"anna": 0.8, "IP-Adapter": 0.7}
    assert {name: file["file"] for name, file in making.adapter_files.items()} == {
        "anna": "anna.safetensors",
        "IP-Adapter": "ip.safetensors",
    }
    like = ["--like", str(made), "--model", "model"]
    again = draw("--lora", "anna.safetensors", "--ip-adapter", "ip", of=like)  # at the scales of the picture
    assert again.read_bytes() == made.read_bytes()
    assert refusal(capsys, *like) == "The picture was made with 'anna' of anna.safetensors: add --lora anna=PLACE."
    assert "'IP-Adapter' of ip.safetensors: add --ip-adapter PLACE" in refusal(capsys, *like, *LORA)
    other = ["--lora", "anna=bella_v1.5.safetensors"]
    assert "holds other weights than the 'anna' that" in refusal(capsys, *like, *other)
    assert "made without 'style': leave it out" in refusal(capsys, *like, *LORA, *IP_ADAPTER, "--lora", "style")


def test_an_ip_adapter_that_had_nothing_to_show_is_not_asked_for(draw):
    made = draw(*IP_ADAPTER)
    assert draw(of=["--like", str(made), "--model", "model"]).read_bytes() == made.read_bytes()
    pipe = SpaceTimeAttnPipeline.from_pretrained("model")
    Adapters.asked([], "ip").load(pipe)
    before = pipe.unet.attn_processors
    assert draw_again(pipe, read_picture(made)).images[0].tobytes() == pixels(made)
    assert pipe.unet.attn_processors == before and Abilities.of(pipe).pictures


def test_adapters_that_were_loaded_in_python_have_to_be_given(draw, capsys):
    made = draw(*LORA)
    making = read_picture(made)
    data = making.to_dict()
    del data["adapter_files"]
    assert type(making).from_dict(data).adapter_files == {}
    for files in ({"anna": 3}, {"anna": {"file": "a"}}, {"anna": {"file": 1, "sha256": "0"}}):
        with pytest.raises(TypeError, match="`adapter_files` has to tell a file and its hash of 'anna'"):
            type(making).from_dict(json.loads(json.dumps(data | {"adapter_files": files})))


# What is refused, before the model is loaded


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--lora", "none.safetensors"], "There is no file or folder 'none.safetensors'."),
        (["--lora", "anna="], "There is no file or folder ''."),
        (["--lora", "loras/none.safetensors"], "There is no file or folder 'loras/none.safetensors'."),
        (["--lora", "../user/name"], "There is no file or folder '../user/name'."),
        (["--lora", "."], "'.' holds 2 .safetensors files: name one, as in ./anna.safetensors."),
        (["--lora", "a.b=style"], "'a.b=style': a name is made of letters, digits, _ and -"),
        (["--lora", "style", "--lora", "style=anna.safetensors"], "The name 'style' is taken: give another one"),
        (["--lora", "IP-Adapter=style"], "The name 'IP-Adapter' is taken"),
        (["--ip-adapter", "x=ip"], "and an IP-Adapter has none"),
        (["--ip-adapter", "anna.safetensors"], "--ip-adapter: its image encoder is missing, which has to lie in "),
    ],
)
def test_what_cannot_be_found_or_named_is_told(monkeypatch, capsys, options, complaint):
    monkeypatch.setattr("spacetime_attn.cli.loading.load_whole", pytest.fail)
    assert complaint in refusal(capsys, PROMPT, "--model", "model", *options)


def test_without_peft_there_are_no_loras(monkeypatch, capsys):
    monkeypatch.setattr("spacetime_attn.adapters.find_spec", lambda name: None)
    assert refusal(capsys, PROMPT, *LORA) == "LoRAs need PEFT: pip install peft."


def test_what_a_family_does_not_take_is_told(tmp_path, monkeypatch, capsys):
    pixart().save_pretrained(tmp_path)
    monkeypatch.setattr("spacetime_attn.cli.loading.load_whole", pytest.fail)
    options = [PROMPT, "--model", str(tmp_path)]
    assert "--ip-adapter is for Stable Diffusion 1.x, 2.x and XL, not" in refusal(capsys, *options, *IP_ADAPTER)
    assert "--lora: diffusers loads no LoRA into a PixArt" in refusal(capsys, *options, *LORA)


def test_files_that_do_not_fit_are_told(tmp_path, capsys):
    StableDiffusionXLPipeline(**tiny_sdxl_components()).save_pretrained(tmp_path / "xl")
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    save_file({"other.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    options = [PROMPT, *SMALL, "--model", "model"]
    broken, other = (
        refusal(capsys, *options, "--lora", f"{tmp_path}/{name}.safetensors") for name in ("broken", "other")
    )
    assert (
        "broken.safetensors' cannot be loaded as a LoRA of this model: " in broken and "other.safetensors' " in other
    )
    foreign = refusal(capsys, PROMPT, "--model", str(tmp_path / "xl"), *SMALL, *IP_ADAPTER)
    assert "ip.safetensors' cannot be loaded as an IP-Adapter of this model: " in foreign
