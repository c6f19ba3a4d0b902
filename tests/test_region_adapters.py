"""LoRA adapters that act in the regions that name them."""

import copy

import pytest
import torch
from diffusers import AnimateDiffPipeline, MotionAdapter, UNetMotionModel
from peft import LoraConfig
from test_adapters import add_ip_adapter, embeds
from transformer_pipelines import stable_diffusion_3

from spacetime_attn import Layout, Region, spacetime_attention


PROMPT = "a red cat"
WHOLE, LEFT, RIGHT = (0, 0, 1, 1), (0, 0, 0.5, 1), (0.5, 0, 1, 1)
LAYERS = ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2"]
LAYERS += ["conv1", "conv2", "conv_shortcut", "conv", "conv_in", "conv_out"]


EVERY_FAMILY = pytest.mark.parametrize("family", ["SD", "SD 2", "SDXL"])


@pytest.fixture(params=["SD", "SDXL"])
def family(request) -> str:
    """Two that differ most; what is claimed of all is tested in all."""
    return request.param


def add_adapter(pipe, name: str, layers=LAYERS, text: bool = False, **options) -> None:
    torch.manual_seed(sum(map(ord, name)))
    config = {"r": 2, "lora_alpha": 1, "init_lora_weights": False} | options
    pipe.unet.add_adapter(LoraConfig(target_modules=layers, **config), name)
    for part in ("text_encoder", "text_encoder_2") if text else ():
        if part in pipe.components:
            pipe.components[part].add_adapter(LoraConfig(target_modules=["q_proj", "fc1"], **config), name)


def draw(pipe, *regions: Region, **options) -> torch.Tensor:
    pipe.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 2, "output_type": "latent", "layout": Layout(regions)} | options
    return pipe(PROMPT, **options, generator=torch.manual_seed(0)).images


def around(stock, *regions: Region, call: dict = {}, **options) -> torch.Tensor:  # noqa: B006
    with spacetime_attention(stock, Layout(regions), **options):
        return stock(
            PROMPT, num_inference_steps=2, output_type="latent", generator=torch.manual_seed(0), **call
        ).images


def cat(box=LEFT, **options) -> Region:
    return Region("a cat", box=box, **options)


def same(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def outputs_of(module, run) -> list[torch.Tensor]:
    """What a module gives, each time, while `run()` runs."""
    found = []
    hook = module.register_forward_hook(lambda *call: found.append(call[-1]))
    run()
    hook.remove()
    return found


# What it does


@EVERY_FAMILY
@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_in_a_region_of_the_whole_picture_it_is_the_global_adapter(make, family, blend):
    pipe, _ = make(family)
    negated = cat(WHOLE, negative_prompt="a dog")
    plain = draw(pipe, negated, blend=blend)
    for name in ("one", "two"):
        add_adapter(pipe, name)
    pipe.set_adapters(["one", "two"], [1.0, 0.6])
    everywhere = draw(pipe, negated, blend=blend)
    pipe.set_adapters(["one", "two"])
    adapters = {"one": 1.0, "two": 0.6}
    same(draw(pipe, cat(WHOLE, negative_prompt="a dog", adapters=adapters), blend=blend), everywhere)
    assert (everywhere - plain).abs().max() > 0.1


def test_in_two_regions_that_fill_the_picture_it_is_the_global_adapter(make):
    pipe, _ = make("SD")
    add_adapter(pipe, "one")
    everywhere = draw(pipe, cat(), cat(RIGHT))
    same(draw(pipe, cat(adapters={"one": 1.0}), cat(RIGHT, adapters={"one": 1.0})), everywhere)


def test_adapters_that_no_region_names_act_everywhere(make):
    pipe, _ = make("SD")
    for name in ("one", "two"):
        add_adapter(pipe, name)
    pipe.set_adapters(["one", "two"])
    everywhere = draw(pipe, cat(WHOLE))
    same(draw(pipe, cat(WHOLE, adapters={"one": 1.0})), everywhere)
    pipe.set_adapters(["two"])
    same(draw(pipe, cat(WHOLE, adapters={"one": 1.0})), everywhere)  # what is named need not be active


@EVERY_FAMILY
def test_in_the_first_layer_it_acts_in_its_region_and_nowhere_else(make, family):
    pipe, stock = make(family)
    plain = outputs_of(pipe.unet.conv_in, lambda: draw(pipe, cat()))
    add_adapter(pipe, "one")
    inside = outputs_of(pipe.unet.conv_in, lambda: draw(pipe, cat(adapters={"one": 1.0})))
    assert torch.equal(inside[0][..., 8:], plain[0][..., 8:])
    assert (inside[0][..., :8] != plain[0][..., :8]).float().mean() > 0.9
    assert not torch.equal(inside[1][..., 8:], plain[1][..., 8:])  # the rest of the picture answers to it


def test_in_cross_attention_it_acts_in_its_region_and_nowhere_else(make, family):
    pipe, _ = make(family)
    layer = next(module for name, module in pipe.unet.named_modules() if name.endswith("attn2"))
    options = {"adapter_layers": "cross_attention", "negative_prompt": "a dog"}
    [plain, *_] = outputs_of(layer, lambda: draw(pipe, cat(), **options))
    add_adapter(pipe, "one", ["to_q", "to_k", "to_v", "to_out.0", "conv_in"])
    [inside, *_] = outputs_of(layer, lambda: draw(pipe, cat(adapters={"one": 1.0}), **options))
    side = int(plain.shape[1] ** 0.5)
    plain, inside = (states.unflatten(1, (side, side)) for states in (plain, inside))
    assert torch.equal(inside[:, :, side // 2 :], plain[:, :, side // 2 :])
    for half in zip(inside, plain):  # unconditional, conditional
        assert (half[0][:, : side // 2] != half[1][:, : side // 2]).float().mean() > 0.9


@pytest.mark.parametrize("layers", [["to_k"], ["to_v"], ["to_q"], ["to_out.0"], ["conv1"], ["ff.net.2"]])
def test_every_kind_of_layer_has_its_part(make, layers):
    pipe, _ = make("SD")
    plain = draw(pipe, cat())
    add_adapter(pipe, "one", layers)
    everywhere, inside = draw(pipe, cat()), draw(pipe, cat(adapters={"one": 1.0}))
    assert not torch.allclose(inside, plain, atol=1e-3) and not torch.allclose(inside, everywhere, atol=1e-3)


def test_its_number_is_a_factor_on_the_scale_that_it_has(make):
    pipe, _ = make("SD")
    add_adapter(pipe, "one")
    pipe.set_adapters(["one"], [0.5])
    half = draw(pipe, cat(adapters={"one": 1.0}))
    pipe.set_adapters(["one"], [1.0])
    same(draw(pipe, cat(adapters={"one": 0.5})), half)
    same(draw(pipe, cat(adapters={"one": 1.0}), cross_attention_kwargs={"scale": 0.5}), half)
    assert not torch.allclose(draw(pipe, cat(adapters={"one": 1.0})), half, atol=1e-3)


def test_two_regions_that_share_a_place_have_half_of_it_each(make):
    pipe, _ = make("SD")
    add_adapter(pipe, "one")
    twice = draw(pipe, cat(WHOLE, adapters={"one": 1.0}), cat(WHOLE, adapters={"one": 1.0}))
    same(twice, draw(pipe, cat(WHOLE, adapters={"one": 1.0}), cat(WHOLE, adapters={"one": 1.0 + 1e-9})))
    same(twice, draw(pipe, cat(WHOLE), cat(WHOLE)))


def test_it_acts_in_the_time_of_its_region(make, family):
    pipe, _ = make(family)
    plain = outputs_of(pipe.unet, lambda: draw(pipe, cat(start=0.5), num_inference_steps=4))
    add_adapter(pipe, "one")
    late = outputs_of(pipe.unet, lambda: draw(pipe, cat(start=0.5, adapters={"one": 1.0}), num_inference_steps=4))
    changed = [not torch.equal(one[0], other[0]) for one, other in zip(plain, late)]
    assert changed[0] is False and changed == sorted(changed) and changed[-1]


def test_it_acts_without_weights_as_well(make):
    pipe, _ = make("SD")
    add_adapter(pipe, "one")
    everywhere = draw(pipe)
    same(draw(pipe, cat(WHOLE, adapters={"one": 1.0}), weights=0.0), everywhere)
    same(draw(pipe, cat(WHOLE, adapters={"one": 1.0}, strength=0.0)), everywhere)


def in_a_batch_and_alone(pipe, layouts) -> tuple[torch.Tensor, torch.Tensor]:
    """The latents of two pictures for each layout, drawn all at once and layout by layout."""
    options = {"num_inference_steps": 2, "output_type": "latent", "num_images_per_prompt": 2}
    noise = torch.randn(2 * len(layouts), 4, 16, 16, generator=torch.manual_seed(0))
    pipe.set_progress_bar_config(disable=True)
    batch = pipe([PROMPT] * len(layouts), layout=layouts, latents=noise, **options).images
    single = [pipe(PROMPT, layout=x, latents=own, **options).images for x, own in zip(layouts, noise.split(2))]
    return batch, torch.cat(single)


def test_each_picture_of_a_batch_has_its_own(make):
    pipe, _ = make("SD")
    add_adapter(pipe, "one")
    regions = cat(adapters={"one": 1.0}), cat(RIGHT, adapters={"one": 0.0}), cat(adapters={"one": -0.5})
    layouts = [Layout((region,)) for region in regions]
    same(*in_a_batch_and_alone(pipe, layouts))


@pytest.mark.parametrize("inner", [None, "sliced"])
def test_prompts_that_share_a_layout_are_read_each_by_itself(make, inner):
    _, stock = make("SD")
    add_adapter(stock, "one")
    if inner:
        stock.enable_attention_slicing(1)
    noise, options = torch.randn(2, 4, 16, 16), {"num_inference_steps": 2, "output_type": "latent"}
    with spacetime_attention(stock, Layout((cat(adapters={"one": 1.0}),))):
        together = stock(["a cat", "a dog"], latents=noise, **options).images
        alone = [
            stock(prompt, latents=noise[n : n + 1], **options).images for n, prompt in enumerate(["a cat", "a dog"])
        ]
    same(together, torch.cat(alone))


def test_its_text_part_reads_the_texts_of_its_region_and_no_other(make, family):
    _, stock = make(family)
    add_adapter(stock, "one", text=True)
    texts = ["a photo of a cat", "a photo of a dog"]
    regions = cat(adapters={"one": 0.5}, negative_prompt="a fox"), Region("a dog", box=RIGHT)
    for component in ("text_encoder", "text_encoder_2"):
        if component in stock.components:
            stock.components[component].disable_adapters()

    def encoded(text: list[str]) -> torch.Tensor:
        return stock.encode_prompt(text, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)[0]

    [_, dog], [prompt] = encoded(texts), encoded([PROMPT])
    for component in ("text_encoder", "text_encoder_2"):
        if component in stock.components:
            stock.components[component].enable_adapters()
    stock.set_adapters(["one"], [0.5])
    [cat_text, _], [fox] = encoded(texts), encoded(["a fox"])
    stock.set_adapters(["one"])
    with spacetime_attention(stock, Layout(regions)) as control:
        torch.testing.assert_close(control.contexts, torch.stack([cat_text, dog]))
        torch.testing.assert_close(control.negatives, fox[None])
        torch.testing.assert_close(encoded([PROMPT])[0], prompt)
    assert not torch.allclose(encoded([PROMPT])[0], prompt) and not torch.allclose(cat_text, encoded(texts)[0])


# Where it works


@EVERY_FAMILY
def test_around_a_stock_pipeline_it_is_the_same(make, family):
    pipe, stock = make(family)
    add_adapter(pipe, "one", text=True)
    regions = cat(adapters={"one": 1.0}, end=0.6), Region("a dog", box=RIGHT)
    for layers in ("all", "cross_attention"):
        ours = draw(pipe, *regions, adapter_layers=layers)
        assert torch.equal(around(stock, *regions, adapter_layers=layers), ours)


def test_with_other_attention_processors_it_is_the_same(make):
    pipe, _ = make("SD")
    add_adapter(pipe, "one")
    regions = cat(adapters={"one": 1.0}, negative_prompt="a dog"), Region("a dog", box=RIGHT)
    expected = draw(pipe, *regions)
    pipe.enable_attention_slicing(1)
    same(draw(pipe, *regions), expected)


def test_beside_an_ip_adapter_it_is_the_global_adapter_in_the_whole_picture(make):
    pipe, _ = make("SD")
    add_ip_adapter(pipe)
    add_adapter(pipe, "one")
    image = {"ip_adapter_image_embeds": [embeds(0)]}
    same(draw(pipe, cat(WHOLE, adapters={"one": 1.0}), **image), draw(pipe, cat(WHOLE), **image))


def test_weights_are_optimised_with_it(make, clip):
    pipe, _ = make("SD")
    pipe._image_text_models[pipe.clip_model] = clip
    add_adapter(pipe, "one")
    region = cat(adapters={"one": 1.0}, start=0.5)
    pipe.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 2, "output_type": "latent", "layout": Layout((region,))}
    out = pipe(PROMPT, optimize_weights=1, generator=torch.manual_seed(0), **options)
    again = pipe(PROMPT, weights=out.weights[0], latents=out.latents, **options)
    same(again.images, out.images)


# What is left


def test_lora_may_be_switched_off_in_a_block_and_may_not_be_fused_there(make, family):
    _, stock = make(family)
    add_adapter(stock, "one")
    call = {"num_inference_steps": 2, "output_type": "latent"}
    stock.unet.disable_adapters()
    expected = around(stock, cat())
    stock.unet.enable_adapters()
    with spacetime_attention(stock, Layout((cat(adapters={"one": 1.0}),))):
        stock.unet.disable_adapters()
        assert torch.equal(stock(PROMPT, generator=torch.manual_seed(0), **call).images, expected)
        stock.unet.enable_adapters()
        acting = stock(PROMPT, generator=torch.manual_seed(0), **call).images
        assert not torch.allclose(acting, expected, atol=1e-3)
        stock.unet.fuse_lora()
        with pytest.raises(ValueError, match="fused into the model: call `unfuse_lora"):
            stock(PROMPT, **call)
        stock.unet.unfuse_lora()
        same(stock(PROMPT, generator=torch.manual_seed(0), **call).images, acting)


def test_afterwards_all_is_as_before_also_after_an_error(make, family):
    pipe, stock = make(family)
    add_adapter(pipe, "one", text=True)
    parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    modules = [module for part in parts for module in part.modules()]

    def state():
        active = [(module.active_adapters, dict(module.scaling)) for module in modules if hasattr(module, "lora_A")]
        grads = [weight.requires_grad for module in modules for weight in module.parameters(recurse=False)]
        return active, grads, ["forward" in vars(module) for module in modules], "encode_prompt" in vars(stock)

    before, plain = copy.deepcopy(state()), around(stock, cat())
    around(stock, cat(adapters={"one": 1.0}))
    assert state() == before

    def fail(*_):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        draw(pipe, cat(adapters={"one": 1.0}), callback_on_step_end=fail)
    assert state() == before and torch.equal(around(stock, cat()), plain)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda pipe: None, "'a cat' names 'other', which is not loaded; loaded are 'one'"),
        (lambda pipe: pipe.unet.fuse_lora(), "'a cat' names 'one', but LoRA is fused into the model: call `unfuse"),
        (lambda pipe: pipe.unet.disable_adapters(), "'one', but LoRA is switched off: call `enable_lora"),
        (lambda pipe: add_adapter(pipe, "dora", use_dora=True), "names 'dora', which is no plain LoRA but DoRA"),
        (lambda pipe: add_adapter(pipe, "bias", ["conv_in"], lora_bias=True), "names 'bias', which changes more of"),
        (lambda pipe: add_adapter(pipe, "temb", ["time_emb_proj"]), "names 'temb', which changes '.*time_emb_proj'"),
        (lambda pipe: pipe.unet.compile(backend="eager"), "does not go together with `torch.compile`"),
    ],
)
def test_what_cannot_act_in_a_region_is_refused_by_name(make, spoil, message):
    pipe, stock = make("SD")
    add_adapter(pipe, "one")
    spoil(pipe)
    name = message.split("names '")[1].split("'")[0] if "names '" in message else "one"
    for run in (draw, around):
        with pytest.raises(ValueError, match=message.replace("(", r"\(")):
            run(pipe if run is draw else stock, cat(adapters={name: 1.0}))


def test_an_adapter_with_a_part_for_the_whole_picture_may_act_in_cross_attention(make):
    pipe, _ = make("SD")
    add_adapter(pipe, "one", ["time_emb_proj", "to_v"])
    draw(pipe, cat(adapters={"one": 1.0}), adapter_layers="cross_attention")


def test_layers_have_to_be_named_rightly(make):
    pipe, stock = make("SD")
    for run in (draw, around):
        with pytest.raises(ValueError, match="`adapter_layers` has to be one of .*'cross_attention'.* got 'some'"):
            run(pipe if run is draw else stock, cat(), adapter_layers="some")


def test_videos_and_transformers_refuse_it_by_name(components, make):
    adapter = MotionAdapter(
        block_out_channels=(32, 64), motion_layers_per_block=1, motion_norm_num_groups=8, motion_num_attention_heads=2
    )
    components = {name: part for name, part in components.items() if name != "safety_checker"}
    components["unet"] = UNetMotionModel.from_unet2d(components["unet"], adapter)
    video = AnimateDiffPipeline(**components, motion_adapter=adapter)
    for pipe in (video, stable_diffusion_3()):
        message = f"`adapters` of 'a cat' acts in a region only with .* not with {type(pipe).__name__}"
        with pytest.raises(ValueError, match=message), spacetime_attention(pipe, Layout((cat(adapters={"one": 1}),))):
            pass
