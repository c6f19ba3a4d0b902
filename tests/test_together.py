"""The pipeline together with what else diffusers users switch on, for SD and SDXL."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate.hooks import CpuOffload
from diffusers import TorchAoConfig
from diffusers.models import attention_processor
from diffusers.models.attention_processor import XFormersAttnProcessor
from original_checkpoints import original_checkpoint
from safetensors.torch import save_file
from sequential_offload import offload_sequentially
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


@pytest.fixture
def xformers(monkeypatch):
    """A stand-in for the one function of xFormers that its processor calls, which needs CUDA."""

    calls = []

    def memory_efficient_attention(query, key, value, attn_bias=None, op=None, scale=None):
        calls.append(query.shape)
        return scaled_dot_product_attention(query, key, value, attn_mask=attn_bias, scale=scale)

    fake = SimpleNamespace(ops=SimpleNamespace(memory_efficient_attention=memory_efficient_attention))
    monkeypatch.setattr(attention_processor, "xformers", fake, raising=False)
    return calls


@pytest.mark.parametrize("layout", [LAYOUT, NEGATED], ids=["", "with a negative prompt"])
def test_the_processor_of_xformers_comes_to_the_same(pipes, layout, xformers):
    pipe, _ = pipes
    expected = run(pipe, layout=layout).images
    pipe.unet.set_attn_processor(XFormersAttnProcessor())
    torch.testing.assert_close(run(pipe, layout=layout).images, expected, atol=1e-4, rtol=0)


@pytest.fixture(params=["dynamic", "torchao"])
def quantised(request, pipes, tmp_path):
    """The family's UNet in 8 bits: by PyTorch itself, and loaded by diffusers with a configuration of torchao."""
    unet = pipes[0].unet
    if request.param == "dynamic":
        quantised = torch.ao.quantization.quantize_dynamic(unet, {torch.nn.Linear}, dtype=torch.qint8)
        assert any("quantized" in type(layer).__module__ for layer in quantised.modules())
        return quantised
    from torchao.quantization import Int8Tensor, Int8WeightOnlyConfig

    unet.save_pretrained(tmp_path)
    config = TorchAoConfig(Int8WeightOnlyConfig())
    quantised = type(unet).from_pretrained(tmp_path, quantization_config=config, dtype=torch.float32)
    assert any(isinstance(weight, Int8Tensor) for weight in quantised.parameters())
    return quantised


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_quantised_unet(pipes, quantised, monkeypatch):
    pipe, stock = pipes
    plain, controlled = run(stock).images, run(pipe, layout=NEGATED).images
    pipe.unet = stock.unet = quantised
    assert_acts_with_and_without_control(pipes, plain)
    monkeypatch.delattr(RegionalAttnProcessor, "_around_inner")  # the fast path is taken
    torch.testing.assert_close(run(pipe, layout=NEGATED).images, controlled, atol=0.1, rtol=0)


# What acts on texts


def load_thing(pipe, make_vectors, count: int) -> None:
    """Loads a textual inversion `<thing>` of so many vectors into every text encoder."""
    for name in ("", "_2") if "text_encoder_2" in pipe.components else ("",):
        parts = {part: getattr(pipe, part + name) for part in ("tokenizer", "text_encoder")}
        vectors = make_vectors(count, parts["text_encoder"].config.hidden_size)
        pipe.load_textual_inversion(vectors, token="<thing>", **parts)


def test_a_textual_inversion_acts_in_local_descriptions_and_negative_prompts_too(pipes):
    pipe, stock = pipes
    layouts = (
        Layout((Region("a <thing>", box=(0, 0, 0.5, 1)),)),
        Layout((Region("a cat", box=(0, 0, 0.5, 1), negative_prompt="<thing>"),)),
    )
    before = [run(pipe, layout=layout).images for layout in layouts]
    load_thing(pipe, torch.randn, 2)
    for layout, images in zip(layouts, before):
        found = run(pipe, layout=layout).images
        assert not torch.allclose(found, images)
        with spacetime_attention(stock, layout):
            assert torch.equal(run(stock).images, found)
    seen = []
    pipe.text_encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0][0].tolist()))
    with spacetime_attention(stock, layouts[0]):
        assert set(pipe.tokenizer.convert_tokens_to_ids(["<thing>", "<thing>_1"])) <= set(seen[0])  # both vectors


def test_a_textual_inversion_in_the_prompt_gets_a_region(pipes):
    pipe, _ = pipes
    prompt = "a red <thing> to the left of a green bus"
    before = run(pipe, prompt).images
    load_thing(pipe, lambda *shape: 3 * torch.ones(shape), 30)
    output = run(pipe, prompt)
    layout = output.layouts[0]
    assert layout.phrases == ["a red <thing>", "a green bus"] and not torch.allclose(output.images, before)
    assert [layout.describe(relation) for relation in layout.relations] == ["a red <thing> left of a green bus"]
    expected = Layout((replace(layout.regions[0], phrase="a red <thing>"), layout.regions[1]))
    assert torch.equal(run(pipe, prompt, layout=expected).images, output.images)


def test_the_vectors_of_a_textual_inversion_count_as_what_the_text_encoders_read(pipes):
    pipe, _ = pipes
    prompt = "a <thing> above a green bus and a dog"
    assert "a dog" in pipe.predict_layout(prompt).phrases
    load_thing(pipe, torch.ones, 60)
    assert "a dog" not in pipe.predict_layout(prompt).phrases


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


@pytest.mark.parametrize("way", COMPILED)
def test_around_a_stock_pipeline_it_is_captured_once_in_a_block(pipes, way, graphs):
    pipe, stock = pipes
    expected = run(pipe, layout=NEGATED).images
    COMPILED[way](stock)
    seen = []

    def count(pipe, step, timestep, kwargs):
        seen.append(graphs())
        return {}

    with spacetime_attention(stock, NEGATED):
        for _ in range(2):
            torch.testing.assert_close(run(stock, callback_on_step_end=count).images, expected)
    assert seen[0] > 0 and set(seen) == {seen[0]}


def test_a_compiled_unet_is_captured_once_more_where_control_begins_or_ends(pipes, graphs):
    pipe, _ = pipes
    layout = Layout((Region("a red cat", box=(0, 0.2, 0.5, 0.8), start=0.25, end=0.75),))
    expected = run(pipe, layout=layout, num_inference_steps=8).images
    COMPILED["torch.compile"](pipe)
    torch.testing.assert_close(run(pipe, layout=layout, num_inference_steps=8).images, expected)
    assert graphs() == 2


def test_weights_are_optimised_through_a_compiled_unet(pipe, clip, graphs):
    optimizer = WeightOptimizer(epochs=2, noises=1, keep="last", clip=clip)
    options = {"layout": NEGATED, "optimize_weights": optimizer, "num_inference_steps": 1}
    expected = run(pipe, **options).weights
    COMPILED["unet.compile"](pipe)
    torch.testing.assert_close(run(pipe, **options).weights, expected)
    assert not torch.equal(expected, run(pipe, layout=NEGATED, num_inference_steps=1).weights)


# Around a stock pipeline

CPU = torch.device("cpu"), torch.device("cpu")  # from where, to where
SWITCHES = {
    "attention slicing": lambda pipe: pipe.enable_attention_slicing(1),
    "FreeU": lambda pipe: pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.5, b2=1.6),
    "float16": lambda pipe: pipe.to(torch.float16),
    "bfloat16": lambda pipe: pipe.to(torch.bfloat16),
    "model CPU offload": lambda pipe: pipe.enable_model_cpu_offload(device="cpu"),
    "sequential CPU offload": offload_sequentially,
    "group offload": lambda pipe: pipe.enable_group_offload(*CPU, offload_type="leaf_level"),
    "xFormers": lambda pipe: pipe.unet.set_attn_processor(XFormersAttnProcessor()),
}
IS_ON = {
    "attention slicing": lambda unet: "Sliced" in type(next(iter(unet.attn_processors.values()))).__name__,
    "FreeU": lambda unet: unet.up_blocks[0].b1 == 1.5,
    "float16": lambda unet: unet.dtype == torch.float16,
    "bfloat16": lambda unet: unet.dtype == torch.bfloat16,
    "model CPU offload": lambda unet: isinstance(unet._hf_hook, CpuOffload),
    "sequential CPU offload": lambda unet: unet.conv_in.weight.device.type == "meta",
    "group offload": lambda unet: unet.conv_in._diffusers_hook.get_hook("group_offloading") is not None,
    "xFormers": lambda unet: isinstance(next(iter(unet.attn_processors.values())), XFormersAttnProcessor),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_what_is_switched_on_acts_alike_in_the_pipeline_and_around_a_stock_one(pipes, switch, xformers):
    pipe, stock = pipes  # which share their components
    SWITCHES[switch](stock)
    assert IS_ON[switch](pipe.unet)
    with spacetime_attention(stock, NEGATED):
        found = run(stock).images
    assert bool(xformers) == (switch == "xFormers")
    torch.testing.assert_close(run(pipe, layout=NEGATED).images, found)


def test_the_vae_slices_and_tiles_alike_in_the_pipeline_and_around_a_stock_one(pipes):
    pipe, stock = pipes
    options = {"num_images_per_prompt": 2, "height": 64, "width": 64}
    plain = run(pipe, layout=NEGATED, **options).images
    decoded = []
    pipe.vae.post_quant_conv.register_forward_hook(lambda module, args, output: decoded.append(output.shape))
    for switch, pieces in ((pipe.vae.enable_slicing, 2), (pipe.vae.enable_tiling, 8)):
        switch()
        expected = run(pipe, layout=NEGATED, **options).images
        decoded.clear()
        with spacetime_attention(stock, NEGATED):
            assert torch.equal(run(stock, **options).images, expected)
        assert len(decoded) >= pieces
    assert not torch.equal(expected, plain)  # tiles are blended at their seams


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_quantised_unet_acts_alike_in_the_pipeline_and_around_a_stock_one(pipes, quantised):
    pipe, stock = pipes
    pipe.unet = stock.unet = quantised
    with spacetime_attention(stock, NEGATED):
        found = run(stock).images
    torch.testing.assert_close(run(pipe, layout=NEGATED).images, found)


@pytest.mark.parametrize(
    "options",
    [
        {"num_images_per_prompt": 2},
        {"negative_prompt": "fog", "guidance_rescale": 0.7},
        {"clip_skip": 1},
        {"height": 48, "width": 24},
        {"return_dict": False},
        {"output_type": "np"},
        {"output_type": "pil"},
        {"output_type": "latent"},
    ],
    ids=str,
)
def test_arguments_act_alike_in_the_pipeline_and_around_a_stock_one(pipes, options):
    pipe, stock = pipes
    with spacetime_attention(stock, NEGATED):
        found = run(stock, **options)
    np.testing.assert_array_equal(run(pipe, layout=NEGATED, **options)[0], found[0])


def test_callbacks_act_alike_in_the_pipeline_and_around_a_stock_one(pipes):
    """They read and change latents and guidance, and interrupt; the block then serves another run."""

    def change(pipe, step, timestep, kwargs):
        pipe._guidance_scale = 2.0
        return {"latents": 0.9 * kwargs["latents"]}

    def stop(pipe, step, timestep, kwargs):
        pipe._interrupt = True
        return {}

    pipe, stock = pipes
    expected_after = run(pipe, layout=NEGATED).images
    for callback in (change, stop):
        expected = run(pipe, layout=NEGATED, callback_on_step_end=callback).images
        with spacetime_attention(stock, NEGATED):
            assert torch.equal(run(stock, callback_on_step_end=callback).images, expected)
            assert torch.equal(run(stock).images, expected_after)


def test_prompt_embeddings_act_alike_in_the_pipeline_and_around_a_stock_one(pipes):
    pipe, stock = pipes
    options = {"device": "cpu", "num_images_per_prompt": 1, "do_classifier_free_guidance": True}
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    embeds = dict(zip(names, stock.encode_prompt(PROMPT, **options)))
    with spacetime_attention(stock, NEGATED):
        found = run(stock, None, **embeds).images
    assert torch.equal(found, run(pipe, layout=NEGATED).images)
    assert torch.equal(found, run(pipe, None, layout=NEGATED, **embeds).images)


# Loading


@pytest.fixture
def write_file(pipes, tmp_path):
    """
    Writes all models to one file, but those whose names begin so, and the rest, without weights, beside it. What it
    returns are the arguments of `from_single_file`.
    """

    def write(without: str | None = None) -> dict:
        _, stock = pipes
        stock.save_pretrained(tmp_path / "config")
        for weights in (tmp_path / "config").glob("*/*.safetensors"):
            weights.unlink()
        state = original_checkpoint(stock)
        if without is not None:
            state = {name: weight for name, weight in state.items() if not name.startswith(without)}
        save_file(state, tmp_path / "model.safetensors")
        return {
            "pretrained_model_link_or_path": str(tmp_path / "model.safetensors"),
            "config": str(tmp_path / "config"),
        } | ({} if "text_encoder_2" in stock.components else {"safety_checker": None})

    return write


def test_a_single_file_is_loaded_as_by_the_stock_pipeline(pipes, write_file):
    pipe, stock = pipes
    options = write_file()
    loaded = SpaceTimeAttnPipeline.from_single_file(**options)
    torch.testing.assert_close(run(loaded, layout=NEGATED).images, run(pipe, layout=NEGATED).images)
    expected = run(type(stock).from_single_file(**options)).images
    torch.testing.assert_close(run(loaded, layout=NONE).images, expected)


def test_a_file_that_lacks_a_model_is_refused_by_name(write_file):
    with pytest.raises(Exception, match="AutoencoderKL.*missing in the checkpoint"):
        SpaceTimeAttnPipeline.from_single_file(**write_file(without="first_stage_model"))
