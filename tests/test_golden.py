"""The processors against tensors recorded from the official code of arXiv:2304.03869, where those are present."""

import importlib.util
import json
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, PNDMScheduler, UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock
from safetensors import safe_open
from safetensors.torch import load_file

from spacetime_attn.layout.regions import Region
from spacetime_attn.processors.attention import RegionalAttnProcessor
from spacetime_attn.processors.clip_objective import ClipObjective
from spacetime_attn.processors.control import RegionalControl
from spacetime_attn.processors.optimizer import WeightOptimizer
from spacetime_attn.processors.patch import regional_attention
from spacetime_attn.processors.steps import evaluation_columns
from spacetime_attn.processors.unet import UNetDenoiser, unet_evaluation


GOLDEN = Path(__file__).parents[2] / "shared" / "golden"
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the recorded tensors do not ship with the project")
BLOCKS = sorted(GOLDEN.glob("block_s*.safetensors"))


def disc_masks(centers: torch.Tensor):
    """The official discs as the layout draws them; none for a disc that lies wholly outside, which is no region."""

    def masks(height: int, width: int) -> torch.Tensor:
        grids = []
        for x, y in centers.tolist():
            outside = max(-x, x - 1, 0) ** 2 + max(-y, y - 1, 0) ** 2 >= 0.2**2
            region = None if outside else Region("object", disc=(x, y, 0.2))
            grids.append(torch.zeros(height, width) if outside else torch.from_numpy(region.rasterize(height, width)))
        return torch.stack(grids)

    return masks


@pytest.mark.parametrize("file", BLOCKS, ids=lambda file: file.stem)
def test_discs_cover_the_recorded_pixels(file):
    golden = load_file(file)
    if len(golden["centers"]):
        assert torch.equal(disc_masks(golden["centers"])(*golden["masks"].shape[1:]).bool(), golden["masks"])


@pytest.mark.parametrize("file", BLOCKS, ids=lambda file: file.stem)
def test_a_controlled_block_gives_the_recorded_output_and_weight_gradients(file):
    golden = load_file(file)
    block = BasicTransformerBlock(64, 4, 16, cross_attention_dim=48, activation_fn="geglu").eval()
    block.load_state_dict(load_file(GOLDEN / "block_weights.safetensors"))
    weights = golden["coef"][:, None].clone().requires_grad_()

    if len(weights):
        side = golden["masks"].shape[-1]
        control = RegionalControl(
            golden["local_contexts"], [0] * len(weights), 1, disc_masks(golden["centers"]), weights
        )
        control.begin_step(0, unet_evaluation(torch.zeros(2, 4, side, side), True))
        block.attn2.set_processor(RegionalAttnProcessor(block.attn2.processor, control))
    attended = []
    block.attn2.register_forward_hook(lambda module, args, output: attended.append(output))
    out = block(golden["x"], encoder_hidden_states=golden["context"])

    torch.testing.assert_close(attended[0], golden["cross_attn_out"], atol=1e-4, rtol=0)
    torch.testing.assert_close(out, golden["out"], atol=1e-4, rtol=0)
    if len(weights):
        (out * golden["grad_weight"].float()).sum().backward()
        torch.testing.assert_close(weights.grad[:, 0], golden["grad_coef"], atol=1e-4, rtol=1e-4)


def plms() -> PNDMScheduler:
    """The official sampler, ready for 50 steps."""
    scheduler = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        steps_offset=1,
        set_alpha_to_one=False,
    )
    scheduler.set_timesteps(50)
    return scheduler


@pytest.fixture(scope="module")
def toy():
    """The recorded UNet, rebuilt from its recipe, as a pipeline that samples with PLMS."""
    recipe_file = importlib.util.spec_from_file_location("recipe", GOLDEN / "recipe.py")
    recipe = importlib.util.module_from_spec(recipe_file)
    recipe_file.loader.exec_module(recipe)
    with safe_open(GOLDEN / "unet_toy.safetensors", framework="pt") as file:
        golden = {name: file.get_tensor(name) for name in file.keys()}
        metadata = file.metadata()
    unet = UNet2DConditionModel(**json.loads(metadata["unet_config"])).eval()
    unet.load_state_dict(recipe.recipe({name: tuple(v.shape) for name, v in unet.state_dict().items()}))
    pipe = SimpleNamespace(unet=unet, scheduler=plms(), do_classifier_free_guidance=True)
    return pipe, golden, float(metadata["guidance_scale"])


def control_of(golden, weights: torch.Tensor) -> RegionalControl:
    return RegionalControl(golden["local_contexts"], [0] * len(weights), 1, disc_masks(golden["centers"]), weights)


def test_a_whole_unet_gives_the_recorded_noise(toy):
    pipe, golden, _ = toy
    one_evaluation_a_step = DDIMScheduler(steps_offset=1)
    one_evaluation_a_step.set_timesteps(50)
    pipe = SimpleNamespace(unet=pipe.unet, scheduler=one_evaluation_a_step, do_classifier_free_guidance=True)
    with torch.no_grad():
        with regional_attention(UNetDenoiser(pipe), control_of(golden, golden["weights"])):
            for timestep in (981, 961):
                eps = pipe.unet(golden[f"x_{timestep}"], timestep, golden["context"]).sample
                torch.testing.assert_close(eps, golden[f"eps_{timestep}"], atol=3e-5, rtol=0)
        plain = pipe.unet(golden["x_981"], 981, golden["context"]).sample
    torch.testing.assert_close(plain, golden["eps_981_no_objects"], atol=3e-5, rtol=0)


def test_the_plms_chain_gives_the_recorded_latents_and_weight_gradients(toy):
    pipe, golden, guidance_scale = toy
    weights = golden["weights"].clone().requires_grad_()
    latents, trajectory = golden["x_T"], []
    with regional_attention(UNetDenoiser(pipe), control_of(golden, weights)):
        for timestep in pipe.scheduler.timesteps:
            noise = pipe.unet(torch.cat([latents] * 2), timestep, golden["context"]).sample
            unconditional, conditional = noise.chunk(2)
            noise = unconditional + guidance_scale * (conditional - unconditional)
            latents = pipe.scheduler.step(noise, timestep, latents).prev_sample
            trajectory.append(latents)
    (latents * golden["grad_weight"]).sum().backward()

    steps = trajectory[1:]  # the first evaluation's result is replaced by the second's
    recorded = torch.cat([steps[i] for i in golden["trajectory_steps"].tolist()])
    torch.testing.assert_close(recorded, golden["trajectory"], atol=5e-4, rtol=0)
    floor = 1e-3 * golden["grad_weights"].abs().max()
    error = (weights.grad - golden["grad_weights"]).abs() / golden["grad_weights"].abs().clamp(min=floor)
    assert error.max() < 2e-2


def test_plms_evaluations_use_the_recorded_weight_columns():
    golden = load_file(GOLDEN / "plms_toy.safetensors")
    scheduler = plms()
    assert scheduler.timesteps.tolist() == golden["timesteps"].tolist()
    assert evaluation_columns(scheduler) == golden["coef_column"].tolist()


class ToyClip:
    """The recorded loop's stand-in for CLIP."""

    image_size = 224
    model = SimpleNamespace(device=torch.device("cpu"))

    def __init__(self, projection: torch.Tensor):
        self.projection = projection

    def text_features(self, texts) -> torch.Tensor:
        rows = [np.random.RandomState(zlib.crc32(text.encode())).uniform(-1, 1, 16) for text in texts]
        return F.normalize(torch.tensor(np.stack(rows), dtype=torch.float32), dim=-1)

    def image_features(self, pixels: torch.Tensor, normalize: bool) -> torch.Tensor:
        assert not normalize
        return F.normalize(F.avg_pool2d(pixels, 32).flatten(1) @ self.projection.T, dim=-1)


def test_the_paper_preset_goes_through_the_recorded_optimisation():
    with safe_open(GOLDEN / "optim_loop.safetensors", framework="pt") as file:
        golden = {name: file.get_tensor(name) for name in file.keys()}
        metadata = file.metadata()
    centers, names = golden["centers"].tolist(), json.loads(metadata["object_names"])
    masks = disc_masks(golden["centers"])(64, 64)

    def draw(weights: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        scheduler = plms()
        columns, latents = evaluation_columns(scheduler), golden["x_T"].float()
        for evaluation, timestep in enumerate(scheduler.timesteps):
            column = weights[:, columns[evaluation], None, None, None]
            mixed = torch.einsum("oc,nchw->nohw", golden["A"], latents)
            mixed = mixed + golden["b"].reshape(1, 4, 1, 1) * (float(timestep) / 1000)
            local = (column * masks[:, None] * golden["V"][:, :, None, None]).sum(0)
            noise = torch.lerp(mixed.tanh(), (mixed + local).tanh(), float(metadata["guidance_scale"]))
            latents = scheduler.step(noise, timestep, latents).prev_sample
        return latents

    def decode(latents: torch.Tensor) -> torch.Tensor:
        mixed = torch.einsum("oc,nchw->nohw", golden["decoder"], latents)
        images.append((F.interpolate(mixed, scale_factor=8).tanh() / 2 + 0.5).clamp(0, 1))
        return images[-1]

    images = []
    paper = WeightOptimizer.paper()
    texts = [paper.local_text(name, f"{name} with a handle", "a photo of {}") for name in names]
    assert [metadata["prompt"], *texts] == json.loads(metadata["texts_per_epoch"])
    windows = [paper.window(center, None) for center in centers]
    clip = ToyClip(golden["clip_projection"])
    objective = ClipObjective(clip, [metadata["prompt"]], texts, [0] * len(texts), windows, 5.0, official=True)
    start = torch.full((len(centers), 50), 5 / len(centers))

    result = paper.minimise(start, [0] * len(centers), "guided", draw, decode, objective)

    torch.testing.assert_close(result.loss_history[0], golden["losses"].float(), atol=1e-4, rtol=0)
    torch.testing.assert_close(result.weights, golden["weights_after"][1], atol=5e-5, rtol=0)  # of the third round
    saved = (255 * images[-1][0].detach().permute(1, 2, 0)).byte().float().reshape(8, 64, 8, 64, 3).mean((1, 3))
    torch.testing.assert_close(saved, golden["saved_image_mean8"], atol=0.05, rtol=0)
