"""Regional control of Stable Diffusion 3, FLUX.1 and PixArt: off it is nothing, and on it is its formulas."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import diffusers.models.transformers.transformer_flux as transformer_flux
import pytest
import torch
from transformer_pipelines import FAMILIES, LAYOUT, PROMPT, draw, made
from written_out import WrittenOut

import spacetime_attn.processors.joint_attention as joint_attention
from spacetime_attn import Layout, Region, spacetime_attention
from spacetime_attn.processors.softmax_parts import attention_with_lse, gives_lse, merged


PROMPTS = [PROMPT, "a dog on a long green bench below some trees"]
RAMP = torch.linspace(0, 1, 12).expand(8, 12)
LAYOUTS = [  # of two prompts, with different numbers of objects
    Layout(
        (
            Region("a green bus", box=(0, 0, 0.6, 1), softness=0.5, strength=0.75),
            Region("an old red cat", box=(0.25, 0.2, 1, 0.9), softness=0.3, end=0.5),
            Region("fog", mask=RAMP.numpy()),
        )
    ),
    Layout((Region("a dog", disc=(0.5, 0.4, 0.4)),)),
]
NEGATED = [
    LAYOUTS[0].edit("a green bus", negative_prompt="a red car").edit("fog", negative_prompt="the sun"),
    LAYOUTS[1].edit("a dog", negative_prompt="a cat"),
]
BATCH = {"prompt": PROMPTS, "num_images_per_prompt": 2}


@pytest.fixture(params=FAMILIES)
def family(request) -> str:
    """Each family in turn."""
    return request.param


@pytest.fixture
def pipe(family):
    """A pipeline of each family in turn."""
    return made(family)


# Equal to the formulas

CASES = {
    "SD 3, guided": ("SD 3", "guided", NEGATED, ["both"], {"negative_prompt": ["dark", "bright"]}),
    "SD 3, convex": ("SD 3", "convex", NEGATED, ["both"], {"negative_prompt": ["dark", "bright"]}),
    "SD 3, without guidance": ("SD 3", "convex", LAYOUTS, ["conditional"], {"guidance_scale": 1.0}),
    "SD 3, a layer skipped": (
        "SD 3",
        "convex",
        NEGATED,
        ["both", "conditional"],
        {"skip_guidance_layers": [1], "skip_layer_guidance_start": -1.0, "skip_layer_guidance_stop": 1.0},
    ),
    "SD 3.5, guided": ("SD 3.5", "guided", NEGATED, ["both"], {}),
    "FLUX.1": ("FLUX.1", "convex", LAYOUTS, ["conditional"], {}),
    "FLUX.1, with a negative prompt": (
        "FLUX.1",
        "convex",
        NEGATED,
        ["conditional", "unconditional"],
        {"negative_prompt": ["dark", "bright"], "true_cfg_scale": 2.0},
    ),
    "PixArt alpha, guided": ("PixArt alpha", "guided", NEGATED, ["both"], {"negative_prompt": ["dark", "a sky"]}),
    "PixArt sigma, convex": ("PixArt sigma", "convex", NEGATED, ["both"], {}),
}
PRECISIONS = {"float32": (torch.float32, 1e-5), "float64": (torch.float64, 1e-10)}


def precise_rotation(states: torch.Tensor, rotation: tuple, sequence_dim: int) -> torch.Tensor:
    """diffusers' own rotates in float32."""
    cos, sin = (part.to(states.dtype) for part in rotation)
    if sequence_dim == 1:
        cos, sin = cos[:, None], sin[:, None]
    real, imaginary = states.unflatten(-1, (-1, 2)).unbind(-1)
    return states * cos + torch.stack([-imaginary, real], dim=-1).flatten(-2) * sin


def evaluated(pipe, **options) -> list[torch.Tensor]:
    """What the transformer gives in a run of two steps."""
    outputs = []
    handle = pipe.transformer.register_forward_hook(lambda _, args, output: outputs.append(output[0]))
    draw(pipe, **BATCH | {"num_inference_steps": 2} | options)
    handle.remove()
    return outputs


SIGHTS = [
    (case, sight) for case in CASES for sight in ("region", "picture") if sight == "region" or "PixArt" not in case
]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("case", "sight"), SIGHTS)
def test_control_is_its_formulas_written_out(case, sight, precision, monkeypatch):
    family, blend, layouts, evaluations, options = CASES[case]
    dtype, tolerance = PRECISIONS[precision]
    if dtype == torch.float64:
        for module in (transformer_flux, joint_attention):
            monkeypatch.setattr(module, "apply_rotary_emb", precise_rotation)
    pipe = made(family).to(dtype)
    torch.manual_seed(1)
    weights = [torch.randint(8, 64, (len(layout), 2)) / 64 for layout in layouts]  # exact in float32, and times 0.75
    plain = evaluated(pipe, **options)
    with WrittenOut(pipe, layouts, weights, blend, 24, evaluations, sight).control():
        expected = evaluated(pipe, **options)
    chosen = {} if sight == "region" else {"local_sight": sight}
    with spacetime_attention(pipe, layouts, blend, weights, local_max_sequence_length=24, **chosen):
        found = evaluated(pipe, **options)
    count = len(evaluations)
    assert len(found) == len(expected) == 2 * count
    for number in range(count):  # of the first step; the second begins from what a scheduler has rounded
        torch.testing.assert_close(found[number], expected[number], atol=tolerance, rtol=tolerance)
        assert not torch.allclose(found[number], plain[number], atol=1e-3)
    for number in range(count, 2 * count):
        torch.testing.assert_close(found[number], expected[number], atol=1e-4, rtol=1e-4)
        assert not torch.allclose(found[number], plain[number], atol=1e-3)


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("PixArt")])
def test_attention_in_parts_comes_to_that_at_once(case, monkeypatch):
    family, blend, layouts, _, options = CASES[case]
    pipe, found = made(family).to(torch.float64), []
    for forbidden in ("_at_once", "_in_parts"):
        with monkeypatch.context() as patched, spacetime_attention(pipe, layouts, blend):
            patched.setattr(joint_attention, "gives_lse", lambda query, taken=forbidden == "_at_once": taken)
            patched.delattr(joint_attention, forbidden)
            found.append(evaluated(pipe, **options | {"num_inference_steps": 1}))
    torch.testing.assert_close(*found, atol=1e-10, rtol=1e-10)


# Softmax in parts


def states(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(2, 3, *shape, generator=torch.manual_seed(sum(shape))).to(dtype)


@torch.no_grad()
@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_attention_tells_the_logarithm_of_what_its_softmax_divides_by(dtype, tolerance):
    query, key, value = (states(count, 10, dtype=dtype) for count in (7, 130, 130))
    assert gives_lse(query)
    output, lse = attention_with_lse(query, key, value)
    scores = query.double() @ key.double().mT / 10**0.5
    torch.testing.assert_close(lse.double(), scores.logsumexp(dim=-1), atol=tolerance, rtol=tolerance)
    expected = scores.softmax(dim=-1) @ value.double()
    torch.testing.assert_close(output.double(), expected, atol=tolerance, rtol=tolerance)
    assert output.dtype == dtype and lse.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@torch.no_grad()
@pytest.mark.parametrize("scale", [1, 100], ids=["", "one part counts for nothing"])
def test_two_parts_are_merged_to_the_attention_to_both(scale):
    query, keys, values = scale * states(7, 8), (states(5, 8), states(9, 8)), (states(5, 8), states(9, 8) + 1)
    found = merged(*(attention_with_lse(query, key, value) for key, value in zip(keys, values)))
    expected = torch.nn.functional.scaled_dot_product_attention(query, torch.cat(keys, 2), torch.cat(values, 2))
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("recent", [False, True])
def test_a_gpu_has_kernels_that_tell_it_for_most_dtypes(recent, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(major=8 if recent else 7))
    dtypes = torch.float16, torch.float32, torch.bfloat16, torch.float64
    cuda = SimpleNamespace(type="cuda")
    fit = [gives_lse(SimpleNamespace(device=cuda, dtype=dtype, shape=(1, 1, 1, 64))) for dtype in dtypes]
    assert fit == [True, True, recent, False]
    assert not gives_lse(SimpleNamespace(device=cuda, dtype=torch.float16, shape=(1, 1, 1, 10)))
    assert not gives_lse(SimpleNamespace(device=SimpleNamespace(type="mps")))


def test_where_derivatives_are_wanted_there_are_no_parts():
    """Also where it is keys alone that have some."""
    query, key = states(7, 8), states(5, 8).requires_grad_()
    assert not gives_lse(key) and not gives_lse(query)
    with torch.no_grad():
        assert gives_lse(key) and gives_lse(query)


# Off


OFF = {
    "no regions": (Layout(), {}),
    "all weights 0": (LAYOUT, {"weights": 0.0}),
    "all strengths 0": (Layout(tuple(replace(region, strength=0) for region in LAYOUT.regions)), {}),
}


@pytest.mark.parametrize("off", OFF)
def test_off_is_the_stock_pipeline_bit_for_bit(pipe, off):
    layout, options = OFF[off]
    plain = draw(pipe)
    with spacetime_attention(pipe, layout, **options):
        assert torch.equal(draw(pipe), plain)
    with spacetime_attention(pipe, [layout, layout], **options):
        found = draw(pipe, **BATCH)
    assert torch.equal(found, draw(pipe, **BATCH))


@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_steps_without_weights_are_the_stock_transformers_bit_for_bit(pipe, family, blend):
    if family == "FLUX.1" and blend == "guided":
        pytest.skip("its negative prompt is evaluated by itself")
    seen = []

    def keep(_, args, kwargs, output):
        seen.append((args, kwargs, output[0]))

    handle = pipe.transformer.register_forward_hook(keep, with_kwargs=True)
    with spacetime_attention(pipe, LAYOUT, blend, torch.tensor([[0.0, 0.5, 0.0], [0.0, 0.8, 0.0]])):
        draw(pipe)
    handle.remove()
    assert len(seen) == 3
    with torch.no_grad():
        plain = [torch.equal(pipe.transformer(*args, **kwargs)[0], output) for args, kwargs, output in seen]
    assert plain == [True, False, True]


# On


def first_block(pipe, **options) -> tuple[torch.Tensor | None, torch.Tensor]:
    """What the first block makes of texts and picture in the first evaluation; without texts in PixArt."""
    outputs = []
    block = pipe.transformer.transformer_blocks[0]
    handle = block.register_forward_hook(lambda _, args, output: outputs.append(output))
    draw(pipe, **{"num_inference_steps": 2} | options)
    handle.remove()
    return outputs[0] if isinstance(outputs[0], tuple) else (None, outputs[0])


@pytest.mark.parametrize("batch", [{}, BATCH], ids=["", "batch"])
def test_the_prompt_itself_in_the_whole_picture_changes_nothing(pipe, family, batch):
    prompts = batch.get("prompt", [PROMPT])
    layouts = [Layout((Region(prompt, box=(0, 0, 1, 1)),)) for prompt in prompts]
    length = FAMILIES[family][1].get("max_sequence_length", 120 if family == "PixArt alpha" else 300)
    plain = draw(pipe, num_inference_steps=2, **batch)
    settings = {"local_prompt_template": "{}", "local_max_sequence_length": length}
    with spacetime_attention(pipe, layouts, "convex", 1.0, **settings) as control:
        found = draw(pipe, num_inference_steps=2, **batch)
        assert control.placements
    torch.testing.assert_close(found, plain, atol=1e-5 * float(plain.abs().max()), rtol=0)


def test_outside_the_regions_the_first_blocks_output_is_the_stock_one(pipe):
    inside = torch.from_numpy(LAYOUT.masks(8, 12)).amax(dim=0).flatten() > 0
    texts, picture = first_block(pipe)
    with spacetime_attention(pipe, LAYOUT):
        found_texts, found = first_block(pipe)
    torch.testing.assert_close(found[:, ~inside], picture[:, ~inside], atol=1e-5, rtol=1e-5)
    changed = (found - picture).abs().amax(dim=(0, 2)) > 1e-3
    assert torch.equal(changed, inside)
    if texts is not None:
        torch.testing.assert_close(found_texts[:, : texts.shape[1]], texts, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("changed", [0, 1])
@pytest.mark.parametrize("family", ["SD 3", "SD 3.5", "FLUX.1"])
def test_no_text_sees_a_local_one(family, changed):
    """In the first block's output, that is: after it they hear of each other from the picture."""
    pipe, outputs = made(family), []
    others = [LAYOUT, LAYOUT.edit(changed, description="a herd of sheep")]
    for layout in others:
        with spacetime_attention(pipe, layout, local_max_sequence_length=24):
            outputs.append(first_block(pipe))
    length = 24 if family == "FLUX.1" else 77 + 24
    (texts, picture), (found_texts, found_picture) = outputs
    prompts = slice(None, -2 * length)
    first, second = (slice(-2 * length, -length), slice(-length, None))[:: -1 if changed else 1]
    conditional = slice(len(texts) // 2 if family != "FLUX.1" else 0, None)
    assert texts.shape[1] == 2 * length + (64 if family == "FLUX.1" else 77 + 40)
    assert torch.equal(texts[:, prompts], found_texts[:, prompts])
    assert torch.equal(texts[conditional, second], found_texts[conditional, second])
    assert not torch.isclose(texts[conditional, first], found_texts[conditional, first]).all(dim=-1).any()
    outside = torch.from_numpy(LAYOUT.masks(8, 12))[changed].flatten() == 0
    assert torch.equal(picture[:, outside], found_picture[:, outside])
    assert not torch.equal(picture, found_picture)


# Put back


def state(pipe) -> list:
    """What control may leave behind."""
    modules = [module for model in pipe.components.values() if hasattr(model, "modules") for module in model.modules()]
    of_modules = [
        (
            vars(module).get("forward"),
            dict(module._forward_pre_hooks),
            dict(module._forward_hooks),
            getattr(module, "processor", None),
        )
        for module in modules
    ]
    return [of_modules, set(vars(pipe)), vars(pipe).get("encode_prompt"), [set(vars(module)) for module in modules]]


def interrupted(module, error: type[BaseException], after: int):
    """Ends what goes on by an error when the module has been called so often; returns how to take that away."""
    calls = []

    def raise_it(*_):
        calls.append(1)
        if len(calls) == after:
            raise error

    return module.register_forward_hook(raise_it).remove


def test_two_runs_in_one_block_are_alike_and_nothing_is_left(pipe):
    plain = draw(pipe)
    before = state(pipe)
    with spacetime_attention(pipe, LAYOUT):
        first, second = draw(pipe), draw(pipe)
    assert state(pipe) == before and torch.equal(first, second) and not torch.allclose(first, plain)
    with spacetime_attention(pipe, LAYOUT):
        assert torch.equal(draw(pipe), first)
    assert torch.equal(draw(pipe), plain)


PLACES = {
    "while it draws": lambda pipe: (pipe.transformer.transformer_blocks[1], 2),
    "while it encodes the regions": lambda pipe: (pipe.text_encoder, 1),
    "while it encodes them for the run": lambda pipe: (pipe.text_encoder, 3 if "Flux" in type(pipe).__name__ else 4),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_after_an_error(pipe, error, place):
    plain = draw(pipe)
    module, after = PLACES[place](pipe)
    before, mend = state(pipe), interrupted(module, error, after)
    with pytest.raises(error):
        with spacetime_attention(pipe, LAYOUT):
            draw(pipe)
    mend()
    assert state(pipe) == before and torch.equal(draw(pipe), plain)


def test_what_a_user_has_replaced_is_put_back(pipe):
    encode, layer = pipe.encode_prompt, pipe.transformer.transformer_blocks[0]
    layer = getattr(layer, "attn", None) or layer.attn2
    heard = []

    def own_encode_prompt(*args, **options):
        heard.append(args or options)
        return encode(*args, **options)

    def own_forward(*args, **options):
        return type(layer).forward(layer, *args, **options)

    pipe.encode_prompt, layer.forward = own_encode_prompt, own_forward
    with spacetime_attention(pipe, LAYOUT):
        draw(pipe)
    assert pipe.encode_prompt is own_encode_prompt and layer.forward is own_forward and heard


def test_a_second_pipeline_on_the_transformer_is_told_and_goes_on_afterwards(pipe):
    other = type(pipe)(**pipe.components | {"scheduler": type(pipe.scheduler).from_config(pipe.scheduler.config)})
    other.set_progress_bar_config(disable=True)
    plain = draw(other)
    with spacetime_attention(pipe, LAYOUT):
        controlled = draw(pipe)
        with pytest.raises(ValueError, match="This block controls a .*Pipeline, and a .*Pipeline runs on its model"):
            draw(other)
        with ThreadPoolExecutor(1) as threads:
            assert torch.equal(threads.submit(draw, other).result(), plain)
        assert torch.equal(draw(pipe), controlled)
    assert torch.equal(draw(other), plain) and not torch.allclose(controlled, plain)
