"""Regional attention in small cases of our own, against the formulas written out plainly."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import (
    Attention,
    AttnProcessor,
    IPAdapterAttnProcessor2_0,
    SlicedAttnProcessor,
)

from spacetime_attn.processors.attention import RegionalAttnProcessor
from spacetime_attn.processors.control import RegionalControl
from spacetime_attn.processors.patch import regional_attention
from spacetime_attn.processors.unet import UNetDenoiser, layer_grids, unet_evaluation


HEIGHT, WIDTH, CHANNELS, TOKENS = 4, 6, 32, 5


@pytest.fixture
def attn():
    torch.manual_seed(0)
    return Attention(query_dim=CHANNELS, cross_attention_dim=16, heads=4, dim_head=8).eval()


def masks_of(*grids):
    """Masks that are given at one resolution only."""

    def masks(height: int, width: int) -> torch.Tensor:
        at_this_size = (height, width) == (HEIGHT, WIDTH)
        return torch.stack(grids) if at_this_size else torch.zeros(len(grids), height, width)

    return masks


def rectangle(rows: slice, columns: slice, value: float = 1.0) -> torch.Tensor:
    grid = torch.zeros(HEIGHT, WIDTH)
    grid[rows, columns] = value
    return grid


LEFT = rectangle(slice(0, 4), slice(0, 4))
RIGHT_SOFT = rectangle(slice(1, 3), slice(3, 6), 0.5)  # overlaps LEFT in one column
NOWHERE = torch.zeros(HEIGHT, WIDTH)


def plain(attn, hidden_states, context):
    return AttnProcessor()(attn, hidden_states, context.expand(len(hidden_states), -1, -1))


def written_out(
    attn, hidden_states, texts, contexts, owners, masks, weights, blend, copies, guided_batch, negatives=None
):
    """The formulas of the processor's docstring, image by image, with full-size attention for every text."""
    negatives = negatives or {}
    output = plain(attn, hidden_states, texts)
    first = len(hidden_states) // 2 if guided_batch else 0
    expected = output.clone()
    for image in range(len(hidden_states) - first):
        row = first + image
        mine = [e for e, owner in enumerate(owners) if owner == image // copies]
        amounts = {e: masks[e].reshape(-1, 1) * weights[e] for e in mine}
        if blend == "convex" and mine:
            total = sum(amounts.values()).clamp(min=1)
            amounts = {e: amount / total for e, amount in amounts.items()}
        for e in mine:
            local = plain(attn, hidden_states[row : row + 1], contexts[e])[0]
            negative = output[image]
            if e in negatives:
                negative = plain(attn, hidden_states[image : image + 1], negatives[e])[0]
            if blend == "guided":
                expected[row] = expected[row] + amounts[e] * (local - negative)
            else:
                expected[row] = expected[row] + amounts[e] * (local - output[row])
                if e in negatives:
                    expected[image] = expected[image] + amounts[e] * (negative - output[image])
    return expected


def case(owners, blend, copies=1, guided_batch=True, prompts=None, negated=()):
    torch.manual_seed(1)
    prompts = prompts or max(owners) + 1
    rows = prompts * copies * (2 if guided_batch else 1)
    hidden_states = torch.randn(rows, HEIGHT * WIDTH, CHANNELS)
    texts = torch.randn(rows, TOKENS, 16)
    contexts = torch.randn(len(owners), TOKENS, 16)
    masks = [LEFT, RIGHT_SOFT, NOWHERE][: len(owners)]
    weights = torch.tensor([[1.7], [0.8], [2.0]])[: len(owners)]
    if blend == "convex":
        weights = weights / 2
    control = RegionalControl(contexts, owners, prompts, masks_of(*masks), weights, blend)
    details = contexts, owners, masks, weights, blend, copies, guided_batch
    if negated:
        control.negatives, control.negated = torch.randn(len(negated), TOKENS, 16), list(negated)
        details += (dict(zip(negated, control.negatives)),)
    control.begin_step(0, unet_evaluation(torch.zeros(rows, 4, HEIGHT, WIDTH), guided_batch))
    return control, hidden_states, texts, details


CASES = {
    "one object, guided": dict(owners=[0], blend="guided"),
    "overlapping objects, guided": dict(owners=[0, 0], blend="guided"),
    "overlapping objects, convex": dict(owners=[0, 0], blend="convex"),
    "an object that covers no pixel": dict(owners=[0, 0, 0], blend="guided"),
    "two prompts of different numbers of objects": dict(owners=[0, 0, 1], blend="guided"),
    "a prompt without objects between others": dict(owners=[0, 2], blend="convex", prompts=3),
    "three pictures of each prompt": dict(owners=[0, 1], blend="guided", copies=3),
    "convex without guidance": dict(owners=[0, 0], blend="convex", guided_batch=False),
    "a negative prompt, guided": dict(owners=[0, 0], blend="guided", negated=[1]),
    "a negative prompt, convex": dict(owners=[0, 0], blend="convex", negated=[1]),
    "negative prompts in a batch, guided": dict(owners=[0, 0, 1], blend="guided", copies=2, negated=[0, 2]),
    "negative prompts in a batch, convex": dict(owners=[0, 1, 1], blend="convex", copies=2, negated=[0, 1, 2]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("inner", ["standard", "foreign"])
def test_the_output_is_the_written_out_formula(attn, name, inner):
    control, hidden_states, texts, details = case(**CASES[name])
    processor = RegionalAttnProcessor(AttnProcessor() if inner == "standard" else SlicedAttnProcessor(2), control)
    with torch.no_grad():
        output = processor(attn, hidden_states, texts)
        expected = written_out(attn, hidden_states, texts, *details)
    torch.testing.assert_close(output, expected, atol=2e-6, rtol=1e-5)
    assert not torch.allclose(output, plain(attn, hidden_states, texts), atol=1e-3)


def test_unconditional_rows_are_untouched(attn):
    control, hidden_states, texts, _ = case([0, 0], "guided")
    output = RegionalAttnProcessor(AttnProcessor(), control)(attn, hidden_states, texts)
    torch.testing.assert_close(output[:1], plain(attn, hidden_states, texts)[:1])


@pytest.mark.parametrize("options", [{"blend": "guided"}, {"blend": "convex", "negated": [0, 1]}], ids=str)
def test_pixels_outside_all_regions_are_untouched(attn, options):
    control, hidden_states, texts, _ = case([0, 0], **options)
    output = RegionalAttnProcessor(AttnProcessor(), control)(attn, hidden_states, texts)
    outside = ((LEFT + RIGHT_SOFT) == 0).flatten()
    torch.testing.assert_close(output[:, outside], plain(attn, hidden_states, texts)[:, outside])


@pytest.mark.parametrize("negated", [(), (1,)], ids=["", "a negative prompt"])
def test_gradients_with_respect_to_the_weights_are_those_of_the_formula(attn, negated):
    for blend in ("guided", "convex"):
        control, hidden_states, texts, details = case([0, 0], blend, negated=negated)
        control.weights.requires_grad_()
        control.begin_step(0, unet_evaluation(torch.zeros(2, 4, HEIGHT, WIDTH), True))
        RegionalAttnProcessor(AttnProcessor(), control)(attn, hidden_states, texts).square().sum().backward()
        weights = details[3].detach().clone().requires_grad_()
        written_out(attn, hidden_states, texts, *details[:3], weights, *details[4:]).square().sum().backward()
        torch.testing.assert_close(control.weights.grad, weights.grad, atol=1e-4, rtol=1e-4)


def test_keys_and_values_are_projected_once_a_run(attn):
    control, hidden_states, texts, _ = case([0, 0], "guided")
    processor = RegionalAttnProcessor(AttnProcessor(), control)
    projections = []
    attn.to_k.register_forward_hook(lambda *_: projections.append(1))
    with torch.no_grad():
        for _ in range(3):
            processor(attn, hidden_states, texts)
        assert len(projections) == 2  # the prompt's and the local descriptions'
        processor(attn, hidden_states, texts.clone())  # another prompt, as after a callback
        assert len(projections) == 3
        control.begin_run()
        processor(attn, hidden_states, texts)
        assert len(projections) == 5


def test_a_text_changed_in_place_is_projected_again(attn):
    control, hidden_states, texts, _ = case([0], "guided")
    processor = RegionalAttnProcessor(AttnProcessor(), control)
    with torch.no_grad():
        processor(attn, hidden_states, texts)
        texts.mul_(2)
        output = processor(attn, hidden_states, texts)
        torch.testing.assert_close(output[:1], plain(attn, hidden_states, texts)[:1])


@pytest.mark.parametrize("options", [{"blend": "guided"}, {"blend": "convex", "negated": [0]}], ids=str)
def test_image_states_of_an_ip_adapter_act_once_whatever_the_weights(attn, options):
    control, hidden_states, texts, details = case([0, 0], **options)
    adapter = IPAdapterAttnProcessor2_0(hidden_size=CHANNELS, cross_attention_dim=16, num_tokens=(3,))
    states = [torch.randn(2, 1, 3, 16)]
    with torch.no_grad():
        image_part = adapter(attn, hidden_states, (texts, states)) - plain(attn, hidden_states, texts)
        output = RegionalAttnProcessor(adapter, control)(attn, hidden_states, (texts, states))
        expected = written_out(attn, hidden_states, texts, *details) + image_part
    assert image_part.abs().max() > 0.01
    torch.testing.assert_close(output, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (33, 21), (8, 100)])
def test_the_layers_of_a_unet_halve_the_latents_rounding_up(size):
    grids = list(layer_grids(*size))
    assert grids[0] == size and grids[-1] == (1, 1)
    assert all(after == (-(-before[0] // 2), -(-before[1] // 2)) for before, after in zip(grids, grids[1:]))


def test_a_number_of_tokens_that_no_layer_has_is_an_error(attn):
    control, hidden_states, texts, _ = case([0], "guided")
    with pytest.raises(ValueError, match="23 tokens of each picture"):
        RegionalAttnProcessor(AttnProcessor(), control)(attn, hidden_states[:, :-1], texts)


@pytest.fixture
def pipe():
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        norm_num_groups=8,
    ).eval()
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(3)
    return SimpleNamespace(unet=unet, scheduler=scheduler, do_classifier_free_guidance=True)


def control_for(pipe, steps=3, weights=None, blend="guided"):
    left = lambda height, width: (torch.arange(width) < width / 2).float().expand(1, height, width)  # noqa: E731
    weights = torch.ones(1, steps) if weights is None else weights
    return RegionalControl(torch.randn(1, TOKENS, 16), [0], 1, left, weights, blend)


def evaluate(pipe, index=0, rows=2, size=(8, 8)):
    torch.manual_seed(2)
    latents, texts = torch.randn(rows, 4, *size), torch.randn(rows, TOKENS, 16)
    with torch.no_grad():
        return pipe.unet(latents, pipe.scheduler.timesteps[index], texts).sample


def test_after_the_block_the_processors_are_the_very_objects_they_were(pipe):
    before = pipe.unet.attn_processors
    plain_noise = evaluate(pipe)
    with regional_attention(UNetDenoiser(pipe), control_for(pipe)):
        assert not torch.allclose(evaluate(pipe), plain_noise)
    after = pipe.unet.attn_processors
    assert all(after[name] is before[name] for name in before) and after.keys() == before.keys()
    assert torch.equal(evaluate(pipe), plain_noise) and not pipe.unet._forward_pre_hooks


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_also_after_an_exception(pipe, error):
    before = pipe.unet.attn_processors
    with pytest.raises(error):
        with regional_attention(UNetDenoiser(pipe), control_for(pipe)):
            evaluate(pipe)
            raise error
    assert all(processor is before[name] for name, processor in pipe.unet.attn_processors.items())


def test_within_the_block_too_the_processors_are_the_very_objects_they_were(pipe):
    before = pipe.unet.attn_processors
    with regional_attention(UNetDenoiser(pipe), control_for(pipe)):
        inside = pipe.unet.attn_processors
        assert inside.keys() == before.keys() and all(inside[name] is before[name] for name in before)


def test_self_attention_is_left_alone(pipe):
    with regional_attention(UNetDenoiser(pipe), control_for(pipe)):
        replaced = [name for name, module in pipe.unet.named_modules() if "forward" in vars(module)]
    assert replaced and all(name.endswith("attn2") for name in replaced)


def test_two_controls_at_once_are_an_error_that_leaves_the_first_in_place(pipe):
    with regional_attention(UNetDenoiser(pipe), control_for(pipe)):
        inside = pipe.unet.attn_processors
        with pytest.raises(ValueError, match="already under regional control"):
            with regional_attention(UNetDenoiser(pipe), control_for(pipe)):
                pass
        assert all(processor is inside[name] for name, processor in pipe.unet.attn_processors.items())


def test_sizes_that_are_not_square_nor_even_work(pipe):
    with regional_attention(UNetDenoiser(pipe), control_for(pipe)):
        assert evaluate(pipe, size=(10, 7)).shape == (2, 4, 10, 7)


def test_a_step_whose_weights_are_zero_is_the_plain_unet(pipe):
    with regional_attention(UNetDenoiser(pipe), control_for(pipe, weights=torch.tensor([[0.0, 1.0, 1.0]]))):
        first, second = evaluate(pipe, 0), evaluate(pipe, 1)
    assert torch.equal(first, evaluate(pipe, 0)) and not torch.allclose(second, evaluate(pipe, 1))


def test_guided_control_rests_when_guidance_is_switched_off_in_mid_run(pipe):
    with regional_attention(UNetDenoiser(pipe), control_for(pipe)):
        evaluate(pipe, 0)
        pipe.do_classifier_free_guidance = False
        off = evaluate(pipe, 1, rows=1)
    assert torch.equal(off, evaluate(pipe, 1, rows=1))


def test_convex_control_goes_on_when_guidance_is_switched_off_in_mid_run(pipe):
    with regional_attention(UNetDenoiser(pipe), control_for(pipe, blend="convex")):
        evaluate(pipe, 0)
        pipe.do_classifier_free_guidance = False
        off = evaluate(pipe, 1, rows=1)
    assert not torch.allclose(off, evaluate(pipe, 1, rows=1))


def test_guided_control_without_guidance_is_an_error(pipe):
    pipe.do_classifier_free_guidance = False
    with pytest.raises(ValueError, match="no classifier-free guidance.*blend='convex'"):
        with regional_attention(UNetDenoiser(pipe), control_for(pipe)):
            evaluate(pipe, rows=1)


def test_weights_of_another_number_of_steps_are_an_error(pipe):
    with pytest.raises(ValueError, match="`weights` has 5 columns, but the scheduler takes 3 steps"):
        with regional_attention(UNetDenoiser(pipe), control_for(pipe, steps=5)):
            evaluate(pipe)


def test_a_batch_that_does_not_fit_the_prompts_is_an_error(pipe):
    control = control_for(pipe)
    control.num_prompts = 2
    with pytest.raises(ValueError, match="3 conditional rows, which is no multiple of the 2 prompts"):
        with regional_attention(UNetDenoiser(pipe), control):
            evaluate(pipe, rows=6)


def test_gradients_over_a_run_with_gradient_checkpointing_are_refused_for_they_would_be_wrong(pipe):
    pipe.unet.enable_gradient_checkpointing()
    pipe.unet.train()
    with pytest.raises(ValueError, match="gradient checkpointing.*disable_gradient_checkpointing"):
        with regional_attention(UNetDenoiser(pipe), control_for(pipe, weights=torch.ones(1, 3, requires_grad=True))):
            pipe.unet(torch.randn(2, 4, 8, 8), pipe.scheduler.timesteps[0], torch.randn(2, TOKENS, 16))


def test_a_unet_without_cross_attention_is_an_error():
    unet = UNet2DConditionModel(
        block_out_channels=(32, 32),
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        mid_block_type=None,
    )
    pipe = SimpleNamespace(do_classifier_free_guidance=True, unet=unet)
    with pytest.raises(ValueError, match="no cross-attention layers to control"):
        with regional_attention(UNetDenoiser(pipe), control_for(pipe)):
            pass
