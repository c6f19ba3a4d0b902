"""
Stable Diffusion 3, FLUX.1 and PixArt under control, together with what else diffusers users switch on: it acts as
without control, or it is refused by name.
"""

import copy
from contextlib import nullcontext

import pytest
import torch
from diffusers import (
    DDPMPipeline,
    DDPMScheduler,
    FasterCacheConfig,
    FirstBlockCacheConfig,
    FluxKontextPipeline,
    PixArtSigmaPAGPipeline,
    PyramidAttentionBroadcastConfig,
    SanaPipeline,
    SanaTransformer2DModel,
    StableDiffusion3PAGPipeline,
    TorchAoConfig,
    UNet2DModel,
)
from diffusers.hooks import HookRegistry, apply_pyramid_attention_broadcast
from diffusers.models.attention_processor import (
    AttnProcessor,
    FusedJointAttnProcessor2_0,
    SD3IPAdapterJointAttnProcessor2_0,
    XFormersJointAttnProcessor,
)
from diffusers.models.transformers.transformer_flux import FluxIPAdapterAttnProcessor
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from sequential_offload import offload_sequentially
from torch._dynamo.utils import counters
from transformer_pipelines import LAYOUT, draw, flux, made, pixart, quiet, stable_diffusion_3

from spacetime_attn import Layout, Region, spacetime_attention
from spacetime_attn.processors.attention import RegionalAttnProcessor


KINDS = ["SD 3", "FLUX.1", "PixArt sigma"]
NEGATED = LAYOUT.edit("a green bus", negative_prompt="a red car")


@pytest.fixture(params=KINDS)
def family(request) -> str:
    """A family in turn."""
    return request.param


@pytest.fixture
def pipe(family):
    """A pipeline of each family in turn."""
    return made(family)


def controlled(pipe, layout=LAYOUT, settings=None, **options):
    with spacetime_attention(pipe, layout, **settings or {}):
        return draw(pipe, **options)


def controlled_by_none(pipe, **options):
    return controlled(pipe, Layout(), **options)


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-4) -> bool:
    """Whether latents are alike within a part of the largest."""
    return torch.allclose(found, expected, atol=tolerance * float(expected.abs().max()), rtol=0)


def check_acts(pipe, before: torch.Tensor, **options) -> None:
    """What is switched on acts, where control is off as in the stock pipeline, and control acts beside it."""
    plain = draw(pipe, **options)
    assert not close(plain, before, 1e-3)
    assert torch.equal(controlled(pipe, LAYOUT, {"weights": 0.0}, **options), plain)
    assert close(controlled(pipe, LAYOUT, {"weights": 1e-12}, **options), plain)
    assert not close(controlled(pipe, **options), plain, 1e-3)


def check_rounding(pipe, plain: torch.Tensor, controlled_before: torch.Tensor, layout=LAYOUT) -> None:
    """What has rounded the transformer has changed controlled runs little more than those without control."""
    now, found = draw(pipe), controlled(pipe, layout)
    assert torch.equal(controlled(pipe, layout, {"weights": 0.0}), now) and not torch.equal(found, now)
    error, own = ((found - controlled_before).abs().mean(), (now - plain).abs().mean())
    assert 0 < error < 4 * own


# LoRA

TARGETS = {
    "SD 3": ["to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"],
    "FLUX.1": ["context_embedder", "to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "proj_out"],
    "PixArt sigma": ["to_q", "to_k", "to_v", "to_out.0", "caption_projection.linear_1"],
}


def add_lora(pipe, family: str, folder) -> None:
    """Loads one by the pipeline's own method; into PixArt, which has none, by PEFT's."""
    torch.manual_seed(3)
    config = LoraConfig(r=2, target_modules=TARGETS[family], init_lora_weights=False)
    if family == "PixArt sigma":
        inject_adapter_in_model(config, pipe.transformer, "one")
        return
    adapted = copy.deepcopy(pipe.transformer)
    adapted.add_adapter(config)
    type(pipe).save_lora_weights(folder, transformer_lora_layers=get_peft_model_state_dict(adapted))
    pipe.load_lora_weights(folder, adapter_name="one")


def scale_lora(pipe, scale: float) -> None:
    for layer in pipe.transformer.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.set_scale("one", scale)


def test_lora_acts_under_control(pipe, family, tmp_path):
    plain, without = draw(pipe), controlled(pipe)
    add_lora(pipe, family, tmp_path)
    check_acts(pipe, plain)
    loaded = controlled(pipe)
    assert not close(loaded, without, 1e-3)
    scale_lora(pipe, 0.0)
    assert close(controlled(pipe), without)
    scale_lora(pipe, 1.0)
    if family == "PixArt sigma":
        return
    half, none, full = (controlled(pipe, joint_attention_kwargs={"scale": scale}) for scale in (0.5, 0.0, 1.0))
    assert close(none, without) and close(full, loaded) and not close(half, loaded, 1e-3)
    pipe.fuse_lora(components=["transformer"])
    assert close(controlled(pipe), loaded, 1e-3)
    pipe.unfuse_lora(components=["transformer"])
    pipe.unload_lora_weights()
    assert close(controlled(pipe), without, 1e-3)


def test_lora_may_be_loaded_and_changed_within_the_block(pipe, family, tmp_path):
    other = made(family)
    add_lora(other, family, tmp_path)
    expected = controlled(other)
    scale_lora(other, 0.3)
    expected_weak = controlled(other)
    with spacetime_attention(pipe, LAYOUT):
        without = draw(pipe)
        add_lora(pipe, family, tmp_path)
        assert close(draw(pipe), expected)
        scale_lora(pipe, 0.3)
        assert close(draw(pipe), expected_weak)
        scale_lora(pipe, 0.0)
        assert close(draw(pipe), without)
    assert not close(expected, expected_weak, 1e-3)


# Training


TIMESTEPS = {"SD 3": {}, "FLUX.1": {"mu": 1.0}, "PixArt sigma": {}}


def trained(family: str, layout: Layout, blend="convex", prepare=None, steps: int = 2) -> dict[str, torch.Tensor]:
    """The gradients of the transformer's weights in the last step of a training, by name."""
    pipe, seen = made(family), []
    transformer = pipe.transformer
    handle = transformer.register_forward_pre_hook(lambda _, *given: seen.append(given), with_kwargs=True)
    with spacetime_attention(pipe, layout, blend):
        draw(pipe)
        handle.remove()
        args, kwargs = seen[0]
        if prepare is not None:
            prepare(transformer.train())
        pipe.scheduler.set_timesteps(3, **TIMESTEPS[family])
        for timestep in pipe.scheduler.timesteps[:steps]:
            transformer.zero_grad()
            timestep = timestep.expand(kwargs["encoder_hidden_states"].shape[0])
            step = {"timestep": timestep / 1000 if family == "FLUX.1" else timestep}
            transformer(*args, **kwargs | step)[0].square().mean().backward()
            gradients = {
                name: weight.grad for name, weight in transformer.named_parameters() if weight.grad is not None
            }
            with torch.no_grad():
                for weight in transformer.parameters():
                    if weight.grad is not None:
                        weight.sub_(0.1 * weight.grad)
    return gradients


@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_gradient_checkpointing_gives_the_same_gradients(family, blend):
    if family == "FLUX.1" and blend == "guided":
        pytest.skip("its negative prompt is evaluated by itself")
    layout = NEGATED if family != "FLUX.1" else LAYOUT
    expected = trained(family, layout, blend, lambda model: model.disable_gradient_checkpointing())
    found = trained(family, layout, blend, lambda model: model.enable_gradient_checkpointing())
    torch.testing.assert_close(found, expected)
    projection = "caption_projection.linear_1.weight" if family == "PixArt sigma" else "context_embedder.weight"
    assert not torch.allclose(expected[projection], trained(family, Layout(), blend)[projection])


@pytest.mark.parametrize("only", ["add_k_proj", "to_k"])
def test_what_is_trained_alone_has_the_same_gradient(only):
    """Keys of the first block, say, whose queries have none."""
    name = f"transformer_blocks.0.attn.{only}.weight"

    def freeze(model):
        model.requires_grad_(False).get_parameter(name).requires_grad_()

    alone, among_all = (trained("FLUX.1", LAYOUT, prepare=prepare, steps=1) for prepare in (freeze, None))
    assert list(alone) == [name] and alone[name].abs().max() > 0
    torch.testing.assert_close(alone[name], among_all[name])


# torch.compile


@pytest.fixture
def graphs():
    """Counts the graphs that are captured."""
    torch._dynamo.reset()
    counters.clear()
    yield lambda: counters["stats"]["unique_graphs"]
    torch._dynamo.reset()


COMPILED = {
    "torch.compile": lambda pipe: setattr(
        pipe, "transformer", torch.compile(pipe.transformer, backend="eager", fullgraph=True)
    ),
    "transformer.compile": lambda pipe: pipe.transformer.compile(backend="eager"),
    "block by block": lambda pipe: [
        block.compile(backend="eager", fullgraph=True) for block in pipe.transformer.transformer_blocks
    ],
    "compile_repeated_blocks": lambda pipe: pipe.transformer.compile_repeated_blocks(backend="eager", fullgraph=True),
}


WAYS = [  # diffusers names repeated blocks of FLUX.1 alone
    *((family, "torch.compile") for family in KINDS),
    ("SD 3", "transformer.compile"),
    ("PixArt sigma", "block by block"),
    ("FLUX.1", "compile_repeated_blocks"),
]


@pytest.mark.parametrize("family, way", WAYS)
def test_a_compiled_transformer_is_captured_once_in_a_block(pipe, family, way, graphs):
    options = {"num_inference_steps": 3}
    layout = NEGATED if family != "FLUX.1" else LAYOUT
    blend = "guided" if family == "SD 3" else "convex"
    settings = {"weights": [torch.rand(2, 3)], "blend": blend}
    expected = controlled(pipe, layout, settings, **options)
    COMPILED[way](pipe)
    seen, step = [], pipe.scheduler.step

    def counted(*args, **kwargs):
        seen.append(graphs())
        return step(*args, **kwargs)

    pipe.scheduler.step = counted
    with spacetime_attention(pipe, layout, **settings):
        for _ in range(2):
            assert close(draw(pipe, **options), expected)
    assert seen[0] > 0 and set(seen) == {seen[0]} and len(seen) == 6
    if way == "torch.compile":
        assert seen[0] == 1


SMALLEST = {
    "SD 3": lambda: stable_diffusion_3(num_layers=1),
    "FLUX.1": lambda: flux(num_layers=1, num_single_layers=1),
    "PixArt sigma": pixart,
}


@pytest.mark.parametrize("family", SMALLEST)
def test_it_is_captured_anew_for_other_numbers_of_regions_and_without_control(family, graphs):
    pipe, layouts, seen = SMALLEST[family](), [LAYOUT, Layout(LAYOUT.regions[:1])], []
    weights = torch.tensor([[0.5, 0.5, 0.0]])
    expected = [controlled(pipe, layout, {"weights": weights.expand(len(layout), 3)}) for layout in layouts]
    pipe.transformer = torch.compile(pipe.transformer, backend="eager", fullgraph=True)
    step = pipe.scheduler.step
    pipe.scheduler.step = lambda *args, **options: seen.append(graphs()) or step(*args, **options)
    for layout, latents in zip(layouts, expected):
        with spacetime_attention(pipe, layout, weights=weights.expand(len(layout), 3)):
            assert close(draw(pipe), latents)
    assert seen == [1, 1, 2, 3, 3, 3]


@pytest.mark.parametrize(
    "family, way", [("FLUX.1", "block by block"), ("SD 3", "torch.compile"), ("PixArt sigma", "block by block")]
)
def test_from_the_second_number_of_regions_on_a_capture_is_for_any_number(family, way, graphs):
    pipe, seen = SMALLEST[family](), []
    layout = Layout(tuple(Region(f"thing {place}", box=(place / 5, 0, place / 5 + 0.2, 1)) for place in range(5)))
    settings = {"weights": 0.5, "blend": "convex"}
    if family != "FLUX.1":
        layout, settings = layout.edit(0, negative_prompt="fog"), {"weights": 0.5, "blend": "guided"}
    runs = [(pipe, Layout(layout.regions[:count]), settings) for count in (2, 3, 5)]
    expected = [controlled(*run, num_inference_steps=1) for run in runs]
    COMPILED[way](pipe)
    with torch._dynamo.config.patch(force_nn_module_property_static_shapes=way != "torch.compile"):
        for run, latents in zip(runs, expected):
            assert close(controlled(*run, num_inference_steps=1), latents)
            seen.append(graphs())
    assert 0 < seen[0] < seen[1] == seen[2]


def test_at_the_default_weights_a_run_takes_two_captures(graphs):
    pipe = SMALLEST["FLUX.1"]()
    pipe.transformer = torch.compile(pipe.transformer, backend="eager", fullgraph=True)
    seen, step = [], pipe.scheduler.step
    pipe.scheduler.step = lambda *args, **options: seen.append(graphs()) or step(*args, **options)
    controlled(pipe, num_inference_steps=6)
    assert seen == [1, 1, 1, 2, 2, 2]


def test_the_parts_of_attention_are_captured_by_a_compiler_too(graphs):
    pipe = flux(num_layers=1, num_single_layers=1)
    expected = controlled(pipe)
    pipe.transformer.compile_repeated_blocks(backend="aot_eager", fullgraph=True)
    assert close(controlled(pipe), expected) and graphs() > 0


# Memory

CPU = torch.device("cpu"), torch.device("cpu")  # from where, to where
OFFLOADED = {
    "model CPU offload": lambda pipe: pipe.enable_model_cpu_offload(device="cpu"),
    "sequential CPU offload": offload_sequentially,
    "group offload by leaves": lambda pipe: pipe.transformer.enable_group_offload(*CPU, "leaf_level"),
    "group offload by blocks": lambda pipe: pipe.transformer.enable_group_offload(*CPU, "block_level", 1),
}
IS_OFFLOADED = {
    "model CPU offload": lambda model: model._hf_hook is not None,
    "sequential CPU offload": lambda model: next(model.parameters()).device.type == "meta",
    "group offload by leaves": lambda model: has_hook(model, "group_offloading"),
    "group offload by blocks": lambda model: has_hook(model, "group_offloading"),
}


def has_hook(model, name: str) -> bool:
    registries = [getattr(module, "_diffusers_hook", None) for module in model.modules()]
    return any(isinstance(registry, HookRegistry) and registry.get_hook(name) for registry in registries)


@pytest.mark.parametrize("way", OFFLOADED)
def test_offload_changes_nothing(pipe, family, way):
    layout = NEGATED if family != "FLUX.1" else LAYOUT
    expected = controlled(pipe, layout)
    OFFLOADED[way](pipe)
    assert IS_OFFLOADED[way](pipe.transformer)
    assert close(controlled(pipe, layout), expected)
    with spacetime_attention(pipe, layout):
        assert close(draw(pipe), expected) and close(draw(pipe), expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_quantised_transformer(pipe, tmp_path):
    from torchao.quantization import Int8Tensor, Int8WeightOnlyConfig

    exact = draw(pipe), controlled(pipe)
    pipe.transformer.save_pretrained(tmp_path)
    config = TorchAoConfig(Int8WeightOnlyConfig())
    quantised = type(pipe.transformer).from_pretrained(tmp_path, quantization_config=config, dtype=torch.float32)
    assert any(isinstance(weight, Int8Tensor) for weight in quantised.parameters())
    pipe.transformer = quantised
    check_rounding(pipe, *exact)


def test_layerwise_casting(pipe):
    exact = draw(pipe), controlled(pipe)
    pipe.transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32)
    assert any(weight.dtype == torch.float8_e4m3fn for weight in pipe.transformer.parameters())
    check_rounding(pipe, *exact)
    with spacetime_attention(pipe, LAYOUT) as control:
        assert control.contexts.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(pipe, family, dtype):
    layout = NEGATED if family != "FLUX.1" else LAYOUT
    exact = draw(pipe), controlled(pipe, layout)
    pipe.to(dtype)
    assert controlled(pipe, layout).dtype == dtype
    check_rounding(pipe, *exact, layout)


@pytest.mark.parametrize("family", ["SD 3", "SD 3.5", "FLUX.1", "PixArt sigma"])
def test_autocast(family):
    """Norms of queries and keys are not cast, and the values are."""
    pipe = made(family)
    exact = draw(pipe), controlled(pipe)
    with torch.autocast("cpu", torch.bfloat16):
        check_rounding(pipe, *exact)


def test_inference_mode(pipe):
    expected = controlled(pipe)
    with torch.inference_mode():
        assert torch.equal(controlled(pipe), expected)
    with spacetime_attention(pipe, LAYOUT), torch.inference_mode():
        assert torch.equal(draw(pipe), expected) and torch.equal(draw(pipe), expected)


def test_feed_forward_in_chunks():
    pipe = stable_diffusion_3()
    expected = controlled(pipe)
    pipe.transformer.enable_forward_chunking(1, dim=1)
    assert close(controlled(pipe), expected)


# Attention


@pytest.mark.parametrize("within", [False, True], ids=["before the block", "within it"])
def test_fused_projections(pipe, within):
    transformer, expected = pipe.transformer, controlled(pipe)
    with torch.no_grad(), spacetime_attention(pipe, LAYOUT) if within else nullcontext():
        for change in (transformer.fuse_qkv_projections, transformer.unfuse_qkv_projections):
            change()
            assert close(draw(pipe) if within else controlled(pipe), expected)


def test_after_projections_are_taken_apart_their_own_weights_count():
    """Stable Diffusion 3 keeps the fused ones."""
    pipe = stable_diffusion_3()
    with torch.no_grad():
        pipe.transformer.fuse_qkv_projections()
    assert isinstance(pipe.transformer.transformer_blocks[0].attn.processor, FusedJointAttnProcessor2_0)
    pipe.transformer.unfuse_qkv_projections()
    before = controlled(pipe)
    for block in pipe.transformer.transformer_blocks:
        block.attn.to_v.weight.data.mul_(-1)
    after = controlled(pipe)
    assert not close(after, before, 1e-3)
    fresh = stable_diffusion_3()
    for block in fresh.transformer.transformer_blocks:
        block.attn.to_v.weight.data.mul_(-1)
    assert torch.equal(controlled(fresh), after)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("backend", ["_native_math", "flex"])
def test_diffusers_attention_backends_may_be_set(pipe, family, backend):
    expected = controlled(pipe)
    pipe.transformer.set_attention_backend(backend)
    assert close(controlled(pipe), expected)
    pipe.transformer.reset_attention_backend()
    assert torch.equal(controlled(pipe), expected)


def test_a_processor_of_pixart_is_called_for_each_text(monkeypatch):
    pipe = pixart()
    expected = controlled(pipe, NEGATED)
    pipe.transformer.set_attn_processor(AttnProcessor())
    assert close(controlled(pipe, NEGATED), expected)

    class Foreign(AttnProcessor):
        pass

    pipe.transformer.set_attn_processor(Foreign())
    monkeypatch.delattr(RegionalAttnProcessor, "_standard")
    assert close(controlled(pipe, NEGATED), expected)


# Refused by name


def ip_adapter_sd3(pipe):
    width = pipe.transformer.inner_dim
    return SD3IPAdapterJointAttnProcessor2_0(hidden_size=width, ip_hidden_states_dim=8, head_dim=8)


def ip_adapter_flux(pipe):
    return FluxIPAdapterAttnProcessor(hidden_size=pipe.transformer.inner_dim, cross_attention_dim=8)


PROCESSORS = {
    "IP-Adapter of SD 3": (stable_diffusion_3, ip_adapter_sd3),
    "IP-Adapter of FLUX.1": (flux, ip_adapter_flux),
    "xFormers": (stable_diffusion_3, lambda pipe: XFormersJointAttnProcessor()),
}


@pytest.mark.parametrize("kind", PROCESSORS)
def test_processors_of_joint_attention_that_are_not_known_are_refused_by_name(kind):
    make, processor = PROCESSORS[kind]
    pipe = make()
    plain, processor = draw(pipe), processor(pipe)
    before = dict(pipe.transformer.attn_processors)
    told = f"do not go together with the attention processor {type(processor).__name__} of .*: unload what has set it"
    with spacetime_attention(pipe, LAYOUT):
        pipe.transformer.transformer_blocks[1].attn.set_processor(processor)
        with pytest.raises(ValueError, match=told):
            draw(pipe)
    with pytest.raises(ValueError, match=told):
        with spacetime_attention(pipe, LAYOUT):
            pass
    pipe.transformer.set_attn_processor(before)
    assert torch.equal(draw(pipe), plain)


@pytest.mark.parametrize("kind", [StableDiffusion3PAGPipeline, PixArtSigmaPAGPipeline])
def test_perturbed_attention_guidance_is_refused_by_name(kind):
    base = stable_diffusion_3() if kind is StableDiffusion3PAGPipeline else pixart()
    pipe = quiet(kind.from_pipe(base, pag_applied_layers=["blocks.1"]))
    plain, perturbed = draw(pipe, pag_scale=0.0), draw(pipe, pag_scale=3.0)
    assert torch.equal(controlled_by_none(pipe, pag_scale=3.0), perturbed)
    with spacetime_attention(pipe, LAYOUT):
        controlled = draw(pipe, pag_scale=0.0)
        with pytest.raises(ValueError, match="Perturbed-attention guidance .* switch it off"):
            draw(pipe, pag_scale=3.0)
    assert not torch.allclose(controlled, plain)


def cache(config):
    return lambda pipe: pipe.transformer.enable_cache(config)


def broadcast(pipe):
    """Where the transformer has no `enable_cache`."""
    ranges = {f"{kind}_attention_block_skip_range": 2 for kind in ("spatial", "cross")}
    config = PyramidAttentionBroadcastConfig(**ranges, current_timestep_callback=lambda: 500)
    apply_pyramid_attention_broadcast(pipe.transformer, config)


CACHES = {
    "FLUX.1, first block": (flux, cache(FirstBlockCacheConfig(threshold=0.2))),
    "FLUX.1, pyramid": (
        flux,
        cache(
            PyramidAttentionBroadcastConfig(
                spatial_attention_block_skip_range=2, current_timestep_callback=lambda: 500
            )
        ),
    ),
    "FLUX.1, faster": (
        flux,
        cache(
            FasterCacheConfig(
                spatial_attention_block_skip_range=2,
                current_timestep_callback=lambda: 500,
                is_guidance_distilled=True,
            )
        ),
    ),
    "SD 3, pyramid": (stable_diffusion_3, broadcast),
    "PixArt, pyramid": (pixart, broadcast),
}


@pytest.mark.parametrize("kind", CACHES)
def test_what_is_cached_from_step_to_step_is_refused_by_name(kind):
    make, enable = CACHES[kind]
    pipe = make()
    expected = controlled(pipe)
    hook, way = "pyramid_attention_broadcast", r"transformer.disable_cache\(\)"
    if make is not flux:
        way = rf".*remove_hook\(name\)` for each name of \['{hook}'\]"
    with spacetime_attention(pipe, LAYOUT):
        enable(pipe)
        with pytest.raises(ValueError, match=f"what diffusers caches from step to step: take it out by `{way}"):
            draw(pipe)
    if make is flux:
        pipe.transformer.disable_cache()
    else:
        HookRegistry.check_if_exists_or_initialize(pipe.transformer).remove_hook(hook)
    assert close(controlled(pipe), expected)


@pytest.mark.parametrize("kind", ["FLUX.1, first block", "FLUX.1, pyramid", "PixArt, pyramid"])
def test_without_regions_nothing_is_refused(kind):
    drawn = []
    for without_regions in (False, True):
        make, enable = CACHES[kind]
        pipe = make()
        enable(pipe)
        with spacetime_attention(pipe, Layout()) if without_regions else nullcontext():
            drawn.append(draw(pipe))
    assert torch.equal(*drawn)


def test_reference_pictures_are_refused_by_name():
    base = flux()
    pipe = quiet(FluxKontextPipeline.from_pipe(base))
    options = {"image": torch.rand(1, 3, 32, 48), "_auto_resize": False, "max_area": 32 * 48}
    plain = draw(pipe, **options)
    assert torch.equal(controlled_by_none(pipe, **options), plain)
    with spacetime_attention(pipe, LAYOUT):
        with pytest.raises(
            ValueError, match="FluxKontextPipeline cannot be controlled: beside .* 96 of reference pict"
        ):
            draw(pipe, **options)
    assert torch.equal(draw(pipe, **options), plain)


def test_joint_attention_kwargs_that_are_not_known_are_refused_by_name(family):
    if family == "PixArt sigma":
        pytest.skip("it has no such argument")
    pipe = made(family)
    with spacetime_attention(pipe, LAYOUT):
        with pytest.raises(ValueError, match="do not go together with `attention_mask` in `joint_attention_kwargs`"):
            draw(pipe, joint_attention_kwargs={"attention_mask": torch.ones(1)})


def test_other_families_are_refused_with_the_list_of_those_that_are_supported():
    transformer = SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=8,
        sample_size=8,
    )
    pixels = UNet2DModel(8, block_out_channels=(32,), down_block_types=["DownBlock2D"], up_block_types=["UpBlock2D"])
    supported = "Stable Diffusion 1.x, 2.x and XL, Stable Diffusion 3 and 3.5, FLUX.1, PixArt alpha and sigma"
    for pipe in (
        SanaPipeline(None, None, None, transformer, flux().scheduler),
        DDPMPipeline(pixels, DDPMScheduler()),
    ):
        model = type(pipe.components.get("transformer", pixels)).__name__
        with pytest.raises(TypeError, match=f"its denoiser is a {model}, and only those of {supported}"):
            with spacetime_attention(pipe, LAYOUT):
                pass


def test_a_length_of_local_texts_is_refused_where_clip_has_one_for_all(stock):
    with pytest.raises(
        ValueError, match="`local_max_sequence_length` is 64, but the text encoders of .*: leave it out"
    ):
        with spacetime_attention(stock, LAYOUT, local_max_sequence_length=64):
            pass
