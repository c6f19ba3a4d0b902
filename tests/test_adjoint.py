"""Gradients through a sampling run: exact, for every scheduler, in the memory of one evaluation."""

import re
from contextlib import contextmanager

import diffusers
import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.schedulers import KarrasDiffusionSchedulers

from spacetime_attn.processors.adjoint import frozen, pull_back, recomputed_evaluations
from spacetime_attn.processors.control import RegionalControl
from spacetime_attn.processors.patch import regional_attention
from spacetime_attn.processors.unet import UNetDenoiser


STEPS = 3


def left_and_right(height: int, width: int) -> torch.Tensor:
    masks = torch.zeros(2, height, width)
    masks[0, :, : width // 2] = masks[1, :, width // 2 :] = 1
    return masks


@pytest.fixture
def pipe(stock) -> StableDiffusionPipeline:
    return stock


def a_control(pipe, weights: torch.Tensor, blend: str = "guided") -> RegionalControl:
    contexts = torch.randn(2, 77, 32, generator=torch.Generator().manual_seed(1)).to(pipe.unet.dtype)
    return RegionalControl(contexts, [0, 0], 1, left_and_right, weights, blend)


def sample(pipe, blend: str = "guided", steps: int = STEPS) -> torch.Tensor:
    """The final latents of a stock run that may be differentiated."""
    noise = torch.Generator().manual_seed(2)
    texts = torch.randn(2, 77, 32, generator=noise).to(pipe.unet.dtype)
    return (
        type(pipe)
        .__call__.__wrapped__(
            pipe,
            prompt_embeds=texts[:1],
            negative_prompt_embeds=texts[1:],
            latents=torch.randn(1, 4, 16, 16, generator=noise).to(pipe.unet.dtype),
            num_inference_steps=steps,
            guidance_scale=3.0 if blend == "guided" else 1.0,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        )
        .images
    )


@contextmanager
def run(pipe, weights: torch.Tensor, blend: str = "guided", **options):
    """Final latents of a run under control, as a function of the weights, whose gradients can be taken inside."""
    control = a_control(pipe, weights, blend)
    with frozen([pipe.unet]), regional_attention(UNetDenoiser(pipe), control):
        with recomputed_evaluations(pipe.unet, control, **options):
            yield sample(pipe, blend, weights.shape[1])


def start(dtype=torch.float32) -> torch.Tensor:
    return torch.linspace(0.1, 0.7, 2 * STEPS, dtype=dtype).reshape(2, STEPS)


def a_direction(latents: torch.Tensor) -> torch.Tensor:
    return torch.randn(latents.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def gradient(pipe, blend: str = "guided", dtype=torch.float32, **options) -> torch.Tensor:
    """Of the final latents in one direction, with respect to the weights."""
    weights = start(dtype).requires_grad_()
    with run(pipe, weights, blend, **options) as latents:
        return pull_back(latents, [weights], a_direction(latents))[0]


def differences(pipe, blend: str = "guided") -> torch.Tensor:
    """The same gradient by central differences."""
    found = torch.zeros(2, STEPS, dtype=torch.float64)
    for place in range(found.numel()):
        sides = []
        for step in (1e-3, -1e-3):
            weights = start(torch.float64)
            weights.view(-1)[place] += step
            with torch.no_grad(), run(pipe, weights, blend) as latents:
                sides.append((latents * a_direction(latents)).sum())
        found.view(-1)[place] = (sides[0] - sides[1]) / 2e-3
    return found


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return torch.cosine_similarity(a.double().flatten(), b.double().flatten(), dim=0).item()


DETERMINISTIC = [kind.name for kind in KarrasDiffusionSchedulers if not re.search("Ancestral|SDE|DDPM", kind.name)]
STOCHASTIC = [kind.name for kind in KarrasDiffusionSchedulers if kind.name not in DETERMINISTIC] + ["LCMScheduler"]


def with_scheduler(pipe, name: str):
    options = {"noise_sampler_seed": 0} if "SDE" in name else {}
    pipe.scheduler = getattr(diffusers, name).from_config(dict(pipe.scheduler.config), **options)
    return pipe


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert cosine(found, expected) > 0.999
    assert found.norm().item() == pytest.approx(expected.norm().item(), rel=1e-2)


@pytest.mark.parametrize("scheduler", DETERMINISTIC)
def test_the_gradient_in_single_precision_is_that_of_differences_in_double(pipe, scheduler):
    single = gradient(with_scheduler(pipe, scheduler))
    in_double(pipe)
    assert_same(single, differences(pipe))


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler"])
def test_the_gradient_of_convex_control_without_guidance(pipe, scheduler):
    single = gradient(with_scheduler(pipe, scheduler), "convex")
    in_double(pipe)
    assert_same(single, differences(pipe, "convex"))


@pytest.mark.parametrize("scheduler", STOCHASTIC)
def test_the_gradient_passes_through_steps_that_add_noise(pipe, scheduler):
    with_scheduler(in_double(pipe), scheduler)  # the same seed gives other noise in another precision
    assert_same(gradient(pipe, dtype=torch.float64), differences(pipe))


def in_double(pipe):
    pipe.unet.double()
    pipe.text_encoder.double()
    return pipe


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gradients_in_half_precision_do_not_underflow(pipe, dtype):
    single = gradient(pipe)
    pipe.unet.to(dtype)
    pipe.text_encoder.to(dtype)
    weights = start().requires_grad_()
    with run(pipe, weights) as latents:
        [half] = pull_back(latents, [weights], 1e-12 * a_direction(latents))
    assert latents.dtype == dtype
    assert half.dtype == torch.float64
    assert cosine(1e12 * half, single) > 0.98
    assert 1e12 * half.norm().item() == pytest.approx(single.norm().item(), rel=0.1)


def test_the_run_and_its_gradient_are_those_of_plain_autograd(pipe):
    weights = start().requires_grad_()
    with frozen([pipe.unet]), regional_attention(UNetDenoiser(pipe), control := a_control(pipe, weights)):
        plain = sample(pipe)
        [expected] = torch.autograd.grad(plain, weights, torch.ones_like(plain))
        with recomputed_evaluations(pipe.unet, control):
            latents = sample(pipe)
            [found] = pull_back(latents, [weights], torch.ones_like(latents))
    torch.testing.assert_close(latents, plain, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_recomputing_layers_changes_nothing(pipe):
    found = gradient(pipe, recompute_layers=True)
    torch.testing.assert_close(found, gradient(pipe, recompute_layers=False), rtol=1e-4, atol=1e-5)


def test_detached_latents_leave_out_what_later_evaluations_make_of_them(pipe):
    exact, detached = gradient(pipe), gradient(pipe, detach_latents=True)
    torch.testing.assert_close(exact[:, -1], detached[:, -1])
    assert cosine(exact[:, 0], detached[:, 0]) < 0.999


def test_every_evaluation_is_reported_on_the_way_forth_and_back(pipe):
    seen = []
    gradient(pipe, on_evaluation=lambda: seen.append(1))
    assert len(seen) == 2 * (STEPS + 1)  # PLMS evaluates once more


def test_one_latent_is_kept_of_every_evaluation(pipe):
    def kept(steps: int) -> int:
        """Bytes of all tensors that autograd holds on to between the run and its gradient."""
        weights = torch.full((2, steps), 0.5, requires_grad=True)
        sizes = {}

        def pack(tensor):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x), run(pipe, weights):
            return sum(sizes.values())

    latent = 4 * 16 * 16 * 4
    assert (kept(12) - kept(2)) / 10 < 2 * latent


def test_nothing_stays_patched(pipe):
    before = [dict(vars(module)) for module in pipe.unet.modules()]
    with pytest.raises(KeyboardInterrupt):
        gradient(pipe, on_evaluation=interrupt)
    assert [dict(vars(module)) for module in pipe.unet.modules()] == before
    assert all(weight.requires_grad for weight in pipe.unet.parameters())


def interrupt():
    raise KeyboardInterrupt


def test_a_patched_forward_is_put_back(pipe):
    patched = pipe.unet.forward = pipe.unet.forward
    gradient(pipe)
    assert vars(pipe.unet)["forward"] is patched


def test_gradients_taken_too_late_are_refused(pipe):
    weights = start().requires_grad_()
    with run(pipe, weights) as latents:
        pass
    with pytest.raises(RuntimeError, match="before the block"):
        latents.sum().backward()
