"""The pipeline together with what else diffusers users switch on, for SD and SDXL."""

import re
from types import SimpleNamespace

import pytest
import torch
from diffusers.models import attention_processor
from diffusers.models.attention_processor import XFormersAttnProcessor
from safetensors.torch import save_file
from torch._dynamo.utils import counters
from torch.nn.functional import scaled_dot_product_attention

from spacetime_attn import Layout, Region, SpaceTimeAttnPipeline, WeightOptimizer, spacetime_attention
from spacetime_attn.processors.attention import RegionalAttnProcessor


PROMPT = "a red cat to the left of a green bus"
LAYOUT = Layout((Region("a red cat", box=(0, 0.2, 0.5, 0.8)), Region("a green bus", disc=(0.75, 0.5, 0.2))))
NEGATED = LAYOUT.edit("a red cat", negative_prompt="blue", strength=0.8)
NONE = Layout()
NEARLY_OFF = {"layout": LAYOUT, "weights": 1e-12}  # under control, and yet the stock pipeline's result


def run(pipe, prompt=PROMPT, **options):
    pipe.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 3, "output_type": "pt", "generator": torch.manual_seed(0)} | options
    return pipe(prompt, **options)


@pytest.fixture(params=["SD", "SD 2", "SDXL"])
def pipes(request, make):
    """Our pipeline and the stock one of a family, on the same components."""
    return make(request.param)


def assert_acts_with_and_without_control(pipes, plain):
    """Something is switched on: it acts as in the stock pipeline, whose pictures without it were `plain`."""
    pipe, stock = pipes
    expected = run(stock).images
    assert not torch.allclose(expected, plain)
    assert torch.equal(run(pipe, layout=NONE).images, expected)
    torch.testing.assert_close(run(pipe, **NEARLY_OFF).images, expected, atol=1e-5, rtol=0)
    assert not torch.allclose(run(pipe, layout=LAYOUT).images, expected)


# What acts on the UNet


def test_freeu(pipes):
    pipe, stock = pipes
    plain = run(stock).images
    pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.5, b2=1.6)
    assert_acts_with_and_without_control(pipes, plain)
    pipe.disable_freeu()
    assert torch.equal(run(pipe, layout=NONE).images, plain)


@pytest.mark.parametrize("layout", [LAYOUT, NEGATED], ids=["", "with a negative prompt"])
def test_attention_slicing_changes_nothing_but_rounding(pipes, layout):
    pipe, _ = pipes
    expected = run(pipe, layout=layout).images
    pipe.enable_attention_slicing(1)
    torch.testing.assert_close(run(pipe, layout=layout).images, expected, atol=1e-4, rtol=0)
    pipe.disable_attention_slicing()
    assert torch.equal(run(pipe, layout=layout).images, expected)


def test_xformers_is_missed_by_name(pipes):
    pipe, _ = pipes
    before = pipe.unet.attn_processors
    if attention_processor.is_xformers_available():
        pytest.skip("xFormers is installed")
    with pytest.raises(ModuleNotFoundError, match="xformers"):
        pipe.enable_xformers_memory_efficient_attention()
    assert all(pipe.unet.attn_processors[name] is before[name] for name in before)


@pytest.mark.parametrize("layout", [LAYOUT, NEGATED], ids=["", "with a negative prompt"])
def test_the_processor_of_xformers_comes_to_the_same(pipes, layout, monkeypatch):
    """Around a stand-in for the one function that it calls, which needs CUDA."""

    def memory_efficient_attention(query, key, value, attn_bias=None, op=None, scale=None):
        return scaled_dot_product_attention(query, key, value, attn_mask=attn_bias, scale=scale)

    pipe, _ = pipes
    expected = run(pipe, layout=layout).images
    fake = SimpleNamespace(ops=SimpleNamespace(memory_efficient_attention=memory_efficient_attention))
    monkeypatch.setattr(attention_processor, "xformers", fake, raising=False)
    pipe.unet.set_attn_processor(XFormersAttnProcessor())
    torch.testing.assert_close(run(pipe, layout=layout).images, expected, atol=1e-4, rtol=0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_quantised_unet(pipes, monkeypatch):
    pipe, stock = pipes
    plain, controlled = run(stock).images, run(pipe, layout=NEGATED).images
    pipe.unet = torch.ao.quantization.quantize_dynamic(pipe.unet, {torch.nn.Linear}, dtype=torch.qint8)
    stock.unet = pipe.unet
    assert_acts_with_and_without_control(pipes, plain)
    monkeypatch.delattr(RegionalAttnProcessor, "_around_inner")  # the fast path is taken
    torch.testing.assert_close(run(pipe, layout=NEGATED).images, controlled, atol=0.1, rtol=0)


# What acts on texts


def test_a_textual_inversion_acts_in_local_descriptions_and_negative_prompts_too(pipes):
    pipe, stock = pipes
    layouts = (
        Layout((Region("a <thing>", box=(0, 0, 0.5, 1)),)),
        Layout((Region("a cat", box=(0, 0, 0.5, 1), negative_prompt="<thing>"),)),
    )
    before = [run(pipe, layout=layout).images for layout in layouts]
    for name in ("", "_2") if "text_encoder_2" in stock.components else ("",):
        parts = {part: getattr(pipe, part + name) for part in ("tokenizer", "text_encoder")}
        vectors = torch.randn(2, parts["text_encoder"].config.hidden_size)
        pipe.load_textual_inversion(vectors, token="<thing>", **parts)
    for layout, images in zip(layouts, before):
        assert not torch.allclose(run(pipe, layout=layout).images, images)
    seen = []
    pipe.text_encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0][0].tolist()))
    with spacetime_attention(stock, layouts[0]):
        assert set(pipe.tokenizer.convert_tokens_to_ids(["<thing>", "<thing>_1"])) <= set(seen[0])  # both vectors


def test_clip_skip_acts_on_local_descriptions_and_on_negative_prompts_as_on_the_pictures_own(pipes):
    """The stock pipelines' `clip_skip` is for prompts; negative ones are read as ever."""
    pipe, _ = pipes
    everywhere = Layout((Region("a red cat", box=(0, 0, 1, 1), negative_prompt="blue"),))
    found = run(pipe, layout=everywhere, blend="convex", weights=1.0, clip_skip=1).images
    options = {"device": "cpu", "num_images_per_prompt": 1, "do_classifier_free_guidance": True, "clip_skip": 1}
    texts = {"prompt": "a photo of a red cat", "negative_prompt": "blue"}
    embeds = pipe.encode_prompt(**texts, **options)[:2] + pipe.encode_prompt(PROMPT, **options)[2:]
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    expected = run(pipe, None, layout=NONE, weights=0, **dict(zip(names, embeds))).images
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


# torch.compile


@pytest.fixture
def graphs():
    """Counts the graphs that are captured."""
    torch._dynamo.reset()
    counters.clear()
    yield lambda: counters["stats"]["unique_graphs"]
    torch._dynamo.reset()


COMPILED = {
    "torch.compile": lambda pipe: setattr(pipe, "unet", torch.compile(pipe.unet, backend="eager", fullgraph=True)),
    "unet.compile": lambda pipe: pipe.unet.compile(backend="eager"),
    "compile_repeated_blocks": lambda pipe: pipe.unet.compile_repeated_blocks(backend="eager", fullgraph=True),
}


@pytest.mark.parametrize("way", COMPILED)
def test_a_compiled_unet_is_captured_in_its_first_step_and_in_no_later_one(pipes, way, graphs):
    pipe, _ = pipes
    options = {"layout": NEGATED, "weights": torch.rand(2, 4), "num_inference_steps": 4}
    expected = run(pipe, **options).images
    COMPILED[way](pipe)
    seen = []

    def count(pipe, step, timestep, kwargs):
        seen.append(graphs())
        return {}

    torch.testing.assert_close(run(pipe, **options, callback_on_step_end=count).images, expected)
    assert seen[0] > 0 and set(seen) == {seen[0]}
    if way == "torch.compile":
        assert seen[0] == 1
    run(pipe, **options, callback_on_step_end=count)
    assert set(seen) == {seen[0]}  # nor in another run


def test_a_compiled_unet_is_captured_once_more_where_control_begins_or_ends(pipes, graphs):
    pipe, _ = pipes
    layout = Layout((Region("a red cat", box=(0, 0.2, 0.5, 0.8), start=0.25, end=0.75),))
    expected = run(pipe, layout=layout, num_inference_steps=8).images
    COMPILED["torch.compile"](pipe)
    torch.testing.assert_close(run(pipe, layout=layout, num_inference_steps=8).images, expected)
    assert graphs() == 2


def test_weights_are_optimised_through_a_compiled_unet(pipe, clip, graphs):
    optimizer = WeightOptimizer(epochs=2, keep="last", clip=clip)
    options = {"layout": NEGATED, "optimize_weights": optimizer, "num_inference_steps": 1}
    expected = run(pipe, **options).weights
    COMPILED["unet.compile"](pipe)
    torch.testing.assert_close(run(pipe, **options).weights, expected)
    assert not torch.equal(expected, run(pipe, layout=NEGATED, num_inference_steps=1).weights)


# Loading

RESNETS = {  # the names of layers in original checkpoints
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET = {  # with one layer in a block
    r"^time_embedding\.linear_(\d)": lambda found: f"time_embed.{2 * int(found[1]) - 2}",
    r"^conv_in": "input_blocks.0.0",
    r"^conv_norm_out": "out.0",
    r"^conv_out": "out.2",
    r"^down_blocks\.(\d)\.resnets\.0": lambda found: f"input_blocks.{2 * int(found[1]) + 1}.0",
    r"^down_blocks\.(\d)\.attentions\.0": lambda found: f"input_blocks.{2 * int(found[1]) + 1}.1",
    r"^down_blocks\.(\d)\.downsamplers\.0\.conv": lambda found: f"input_blocks.{2 * int(found[1]) + 2}.0.op",
    r"^mid_block\.resnets\.(\d)": lambda found: f"middle_block.{2 * int(found[1])}",
    r"^mid_block\.attentions\.0": "middle_block.1",
    r"^up_blocks\.(\d)\.resnets\.(\d)": lambda found: f"output_blocks.{2 * int(found[1]) + int(found[2])}.0",
    r"^up_blocks\.(\d)\.attentions\.(\d)": lambda found: f"output_blocks.{2 * int(found[1]) + int(found[2])}.1",
    r"^up_blocks\.(\d)\.upsamplers\.0": lambda found: f"output_blocks.{2 * int(found[1]) + 1}.2",
}
VAE = {  # with two blocks
    r"down_blocks\.(\d)\.resnets": r"down.\1.block",
    r"down_blocks\.(\d)\.downsamplers\.0": r"down.\1.downsample",
    r"up_blocks\.(\d)\.resnets": lambda found: f"up.{1 - int(found[1])}.block",
    r"up_blocks\.(\d)\.upsamplers\.0": lambda found: f"up.{1 - int(found[1])}.upsample",
    r"mid_block\.resnets\.(\d)": lambda found: f"mid.block_{int(found[1]) + 1}",
    r"mid_block\.attentions\.0": "mid.attn_1",
    r"conv_shortcut": "nin_shortcut",
    r"conv_norm_out": "norm_out",
    r"group_norm": "norm",
    r"to_out\.0": "proj_out",
    r"to_([qkv])": r"\1",
}


def renamed(name: str, rules: dict) -> str:
    for pattern, new in rules.items():
        name = re.sub(pattern, new, name)
    return name


def original_checkpoint(pipe) -> dict:
    """A tiny Stable Diffusion 1.x under the names of the original checkpoints, all in one."""
    state = {}
    for name, weight in pipe.unet.state_dict().items():
        if ".resnets." in name:
            place, layer, kind = name.rsplit(".", 2)
            name = f"{place}.{RESNETS[layer]}.{kind}"
        state["model.diffusion_model." + renamed(name, UNET)] = weight
    for name, weight in pipe.vae.state_dict().items():
        state["first_stage_model." + renamed(name, VAE)] = weight
    for name, weight in pipe.text_encoder.state_dict().items():
        state["cond_stage_model.transformer.text_model." + name] = weight
    return {name: weight.contiguous() for name, weight in state.items()}


def test_a_single_file_of_stable_diffusion_is_loaded_as_by_the_stock_pipeline(pipe, stock, tmp_path):
    stock.save_pretrained(tmp_path / "config")
    save_file(original_checkpoint(pipe), tmp_path / "model.safetensors")
    options = {"config": str(tmp_path / "config"), "safety_checker": None}
    loaded = SpaceTimeAttnPipeline.from_single_file(str(tmp_path / "model.safetensors"), **options)
    assert torch.equal(run(loaded, layout=NEGATED).images, run(pipe, layout=NEGATED).images)
    assert torch.equal(run(loaded, layout=NONE).images, run(stock).images)


def test_a_file_that_lacks_a_model_is_refused_by_name(stock, tmp_path):
    stock.save_pretrained(tmp_path / "config")
    weights = {name: part for name, part in original_checkpoint(stock).items() if "first_stage_model" not in name}
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(Exception, match="AutoencoderKL.*missing in the checkpoint"):
        options = {"config": str(tmp_path / "config"), "safety_checker": None}
        SpaceTimeAttnPipeline.from_single_file(str(tmp_path / "model.safetensors"), **options)
