"""
Trains icon world's models: `python examples/icon_world/train.py`.

Needs the sprites (`python examples/icon_world/sprites.py`). The stages, in their order:

    vae     pictures to latents and back
    unet    the UNet and the text encoder, which is also asked what is where
    clip    a CLIP around this text encoder, on pictures and crops with true and false captions
    save    `checkpoint/`, for any Stable Diffusion pipeline, with CLIP in `checkpoint/clip`
    judge   the detector that scores pictures (`train_judge.py`); it has no part in the others

Everything is in one folder, and the same command goes on where it was stopped. On a GPU (H200) six minutes of the UNet
were enough. On a CPU it takes hours; jemalloc keeps the memory together, and a compiled UNet is faster:

    LD_PRELOAD=libjemalloc.so.2 OMP_NUM_THREADS=2 python examples/icon_world/train.py --compile --minutes 130
"""

import argparse
import math
import os
import time
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from spacetime_attn.examples.icon_world.data import PairBatch, TextBatch, loader, pair_batch, scene_batch, text_batch
from spacetime_attn.examples.icon_world.grounding import GroundedAttention, NounPlaces, ground
from spacetime_attn.examples.icon_world.loop import Trainer
from spacetime_attn.examples.icon_world.models import (
    PIXEL_MEAN,
    PIXEL_STD,
    SCALING_FACTOR,
    WIDTH,
    make_clip,
    make_scheduler,
    make_text_encoder,
    make_unet,
    make_vae,
)
from spacetime_attn.examples.icon_world.reader import SceneReader
from spacetime_attn.examples.icon_world.render import compose, crop
from spacetime_attn.examples.icon_world.saving import save_checkpoint
from spacetime_attn.examples.icon_world.scenes import SceneBatch, sprite_tensor
from spacetime_attn.examples.icon_world.sprites import ATLAS, Atlas
from spacetime_attn.examples.icon_world.start import start_clip, start_text_encoder, start_unet, start_vae
from spacetime_attn.examples.icon_world.things import SIZE
from spacetime_attn.examples.icon_world.tokenizer import make_tokenizer
from spacetime_attn.examples.icon_world.train_judge import train_judge


SHARES = {"vae": 0.1, "unet": 0.7, "clip": 0.1, "judge": 0.1}  # of the time, if all are trained
READING = 0.01  # the weight of the reader's loss
GROUNDING = 0.02  # the weight of the loss of attention that is not where its thing is
BATCH_SIZES = {"cpu": {"vae": 16, "clip": 128, "unet": 64}, "cuda": {"vae": 128, "clip": 1024, "unet": 512}}


@dataclass(frozen=True)
class Workshop:
    """
    What all stages need.

    Args:
        folder (`Path`): Of the states and results.
        atlas ([`Atlas`]): The sprites.
        minutes (`dict[str, float]`): Each stage's budget.
        device (`torch.device`): Where to train.
        deadline (`float`): Of `time.monotonic()`: when to pause.
        max_steps (`int`, *optional*): Of each stage.
        batch_size (`int`, *optional*): In place of the stages' own.
        compile (`bool`): Whether `torch.compile` makes the UNet and the text encoder faster.
        start (`Path`, *optional*): A checkpoint that all but the judge start as.
    """

    folder: Path
    atlas: Atlas
    minutes: dict[str, float]
    device: torch.device
    deadline: float = float("inf")
    max_steps: int | None = None
    batch_size: int | None = None
    compile: bool = False
    start: Path | None = None

    @cached_property
    def tokenizer(self) -> CLIPTokenizer:
        """The one that all stages share."""
        place = self.folder / "parts" / "tokenizer"
        if not place.exists():
            make_tokenizer().save_pretrained(place)
        return CLIPTokenizer.from_pretrained(place)

    @cached_property
    def _sprites(self) -> torch.Tensor:
        return sprite_tensor(self.atlas).to(self.device)

    def trained(self, kind: type, name: str, **options) -> nn.Module:
        """The result of a stage, frozen."""
        model = kind.from_pretrained(self.folder / "parts" / name, **options)
        return model.requires_grad_(False).eval().to(self.device, memory_format=torch.channels_last)

    def keep(self, model: nn.Module, name: str) -> None:
        """Stores the result of a stage."""
        model.save_pretrained(self.folder / "parts" / name)

    def pictures(self, scenes: SceneBatch, windows: torch.Tensor | None = None) -> torch.Tensor:
        """Renders scenes, or windows of them, in single precision: (batch, 3, SIZE, SIZE), 0..1."""
        with torch.autocast(self.device.type, enabled=False):
            pictures = compose(scenes.corners, self._sprites, scenes.indices, scenes.boxes, SIZE)
            return pictures if windows is None else crop(pictures, windows, SIZE)

    def train(self, stage: str, model: nn.Module, make_batch, loss_of) -> tuple[nn.Module, bool]:
        """Runs a stage's loop. Returns the averaged model, and whether the budget is spent."""
        model.to(self.device, memory_format=torch.channels_last).train()
        trainer = Trainer(model, self.folder / f"{stage}.pt", self.minutes[stage], self.max_steps)
        cuda = self.device.type == "cuda"
        count = self.batch_size or BATCH_SIZES[self.device.type][stage]
        workers = max(1, (os.cpu_count() or 1) - 2) if cuda else 0
        name = f"{stage} from {self.start}, step {trainer.step}"
        batches = loader(partial(make_batch, count=count), name, workers, pin_memory=cuda)
        done = trainer.run(batches, loss_of, self.deadline)
        return trainer.average, done


def train_vae(shop: Workshop) -> bool:
    """Stage `vae`."""
    model = make_vae() if shop.start is None else start_vae(shop.start)
    average, done = shop.train("vae", model, scene_batch, partial(_vae_loss, shop, model))
    if done:
        batch = next(iter(loader(partial(scene_batch, count=64), "latent statistics")))
        scenes = SceneBatch(*(part.to(shop.device) for part in batch))
        normalise_latents(average, 2 * shop.pictures(scenes) - 1)
    shop.keep(average, "vae")
    return done


def _vae_loss(shop: Workshop, model: AutoencoderKL, scenes: SceneBatch) -> torch.Tensor:
    """L1 and L2 of the pixels, L1 of their differences, and a little Kullback-Leibler divergence."""
    pixels = 2 * shop.pictures(scenes) - 1
    posterior = model.encode(pixels.contiguous(memory_format=torch.channels_last)).latent_dist
    error = model.decode(posterior.sample()).sample.float() - pixels
    edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
    divergence = posterior.kl().float().mean() / posterior.mean[0].numel()
    return error.abs().mean() + 0.5 * error.square().mean() + 0.5 * edges + 1e-4 * divergence


@torch.no_grad()
def normalise_latents(vae: AutoencoderKL, pixels: torch.Tensor) -> None:
    """
    Gives each latent channel mean 0 and, after Stable Diffusion's scaling factor, standard deviation 1, by changing
    the 1 x 1 convolutions after the encoder and before the decoder. What the VAE decodes stays the same.

    Args:
        pixels (tensor of shape (batch, 3, height, width)): Typical pictures, -1..1.
    """
    latents = vae.encode(pixels).latent_dist.mean.float()
    mean, std = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    scale = 1 / (SCALING_FACTOR * std)
    after, before = vae.quant_conv, vae.post_quant_conv
    channels = len(mean)
    after.weight[:channels] *= scale[:, None, None, None]
    after.bias[:channels] = (after.bias[:channels] - mean) * scale
    after.bias[channels:] += 2 * scale.log()  # the other half is the logarithm of the variance
    before.bias += before.weight[:, :, 0, 0] @ mean
    before.weight /= scale[:, None, None]


def train_clip(shop: Workshop) -> bool:
    """Stage `clip`: all but the text tower, which is the pipeline's."""
    model = make_clip(shop.tokenizer) if shop.start is None else start_clip(shop.start, shop.tokenizer)
    model.text_model.load_state_dict(shop.trained(CLIPTextModel, "text_encoder").state_dict())
    model.text_model.requires_grad_(False)
    make_batch = partial(pair_batch, tokenizer=shop.tokenizer)
    average, done = shop.train("clip", model, make_batch, partial(_clip_loss, shop, model))
    shop.keep(average, "clip")
    return done


def _clip_loss(shop: Workshop, model: CLIPModel, batch: PairBatch) -> torch.Tensor:
    """The contrastive loss in both directions. False captions are further texts that no picture should choose."""
    pixels = shop.pictures(batch.scenes, batch.windows)
    mean, std = (pixels.new_tensor(values)[:, None, None] for values in (PIXEL_MEAN, PIXEL_STD))
    images = model.visual_projection(model.vision_model((pixels - mean) / std).pooler_output)
    texts = model.text_projection(model.text_model(torch.cat([batch.input_ids, batch.false_ids])).pooler_output)
    images, texts = (F.normalize(features.float(), dim=-1) for features in (images, texts))
    with torch.autocast(shop.device.type, enabled=False):
        logits = model.logit_scale.exp().clamp(max=100) * images @ texts.T
    count = len(images)
    allowed = torch.cat([torch.ones_like(batch.has_false), batch.has_false])
    same = (batch.keys[:, None] == batch.keys).float()
    targets = same / same.sum(dim=1, keepdim=True)
    of_images = F.cross_entropy(logits.masked_fill(~allowed, -1e4), F.pad(targets, (0, count)))
    return (of_images + F.cross_entropy(logits[:, :count].T, targets)) / 2


def train_unet(shop: Workshop) -> bool:
    """Stage `unet`."""
    vae = shop.trained(AutoencoderKL, "vae")
    if shop.start is None:
        unet, text_encoder = make_unet(), make_text_encoder(shop.tokenizer)
    else:
        unet, text_encoder = start_unet(shop.start), start_text_encoder(shop.start, shop.tokenizer)
    model = nn.ModuleDict({"unet": unet, "text_encoder": text_encoder, "reader": SceneReader(WIDTH)})
    attentions = ground(unet)
    if shop.device.type == "cpu":
        text_encoder.set_attn_implementation("eager")
    if shop.compile:
        unet.compile()
        text_encoder.compile()
    alphas = make_scheduler().alphas_cumprod.to(shop.device)
    nouns = NounPlaces(shop.tokenizer).to(shop.device)
    make_batch = partial(text_batch, tokenizer=shop.tokenizer)
    loss_of = partial(_unet_loss, shop, model, vae, alphas, nouns, attentions)
    average, done = shop.train("unet", model, make_batch, loss_of)
    shop.keep(average["unet"], "unet")
    shop.keep(average["text_encoder"], "text_encoder")
    return done


def _unet_loss(
    shop: Workshop,
    model: nn.ModuleDict,
    vae: AutoencoderKL,
    alphas: torch.Tensor,
    nouns: NounPlaces,
    attentions: list[GroundedAttention],
    batch: TextBatch,
) -> torch.Tensor:
    """
    Squared error of the noise, weighted by min(SNR, 5) / SNR (Hang et al. 2023), the reader's loss and the
    attention's. Steps in the middle, where a picture's things and places are decided, are drawn more often than those
    at the ends.
    """
    pixels = (2 * shop.pictures(batch.scenes) - 1).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        latents = SCALING_FACTOR * vae.encode(pixels).latent_dist.sample().float()
    noise = torch.randn_like(latents)
    count, device = len(latents), latents.device
    quantiles = (torch.arange(count, device=device) + torch.rand(count, device=device)) / count
    steps = torch.acos(1 - 2 * quantiles) / math.pi * len(alphas)  # their density is a sine
    steps = steps.long().clamp(max=len(alphas) - 1)
    alpha = alphas[steps][:, None, None, None]
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    texts = model["text_encoder"](batch.input_ids)
    described = (batch.input_ids[:, 1] != shop.tokenizer.eos_token_id).float()
    reading = (model["reader"](texts.pooler_output, batch.scenes) * described).sum() / described.sum().clamp(min=1)
    noisy = noisy.contiguous(memory_format=torch.channels_last)
    places = {"places": nouns(batch.input_ids, batch.scenes)}
    predicted = model["unet"](noisy, steps, texts.last_hidden_state, cross_attention_kwargs=places).sample
    beside = sum(attention.loss for attention in attentions) / len(attentions)
    errors = (predicted.float() - noise).square().mean(dim=(1, 2, 3))
    snr = (alpha / (1 - alpha)).flatten()
    return (errors * (5 / snr).clamp(max=1)).mean() + READING * reading + GROUNDING * beside


def save(shop: Workshop) -> bool:
    """Stage `save`."""
    save_checkpoint(
        shop.folder / "checkpoint",
        shop.trained(AutoencoderKL, "vae"),
        shop.trained(CLIPTextModel, "text_encoder"),
        shop.tokenizer,
        shop.trained(UNet2DConditionModel, "unet"),
        shop.trained(CLIPModel, "clip"),
    )
    return True


def judge(shop: Workshop) -> bool:
    """Stage `judge`."""
    return train_judge(shop.folder / "judge", shop.atlas, shop.minutes["judge"], str(shop.device), shop.deadline)


STAGES = {"vae": train_vae, "unet": train_unet, "clip": train_clip, "save": save, "judge": judge}


def main(argv: list[str] | None = None) -> None:
    """Runs stages until all are done, or it is time to pause."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--stage", nargs="+", choices=["all", *STAGES], default=["all"], help="what to do (default: all)")
    add("--minutes", type=float, default=25, help="of training, shared among these stages (default: %(default)s)")
    add("--pause-after", type=float, default=float("inf"), metavar="MINUTES", help="pause when this call is so old")
    add("--folder", type=Path, default=Path("runs/icon_world"), help="for states and results (default: %(default)s)")
    add("--atlas", type=Path, default=ATLAS, help="the file of sprites (default: %(default)s)")
    add("--compile", action="store_true", help="compile the UNet: a quarter faster on a CPU, needs g++ there")
    add("--start", type=Path, metavar="CHECKPOINT", help="folder: go on from its weights; it may know other words")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    arguments = parser.parse_args(argv)
    deadline = time.monotonic() + 60 * arguments.pause_after
    stages = [stage for stage in STAGES if stage in arguments.stage or "all" in arguments.stage]
    total = sum(SHARES.get(stage, 0) for stage in stages) or 1
    minutes = {stage: arguments.minutes * share / total for stage, share in SHARES.items()}
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    shop = Workshop(
        arguments.folder,
        Atlas.load(arguments.atlas),
        minutes,
        torch.device(arguments.device),
        deadline,
        compile=arguments.compile,
        start=arguments.start,
    )
    run(shop, stages)


def run(shop: Workshop, stages: list[str]) -> bool:
    """Runs stages one after the other. Returns whether all are done."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for stage in stages:
        if not STAGES[stage](shop):
            print(f"Paused in stage {stage}: the same command goes on.")
            return False
    return True


if __name__ == "__main__":
    main()
