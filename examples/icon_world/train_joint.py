"""
Trains a small Stable Diffusion 3 on a part of icon world: `python examples/icon_world/train_joint.py`.

Needs the sprites (`python examples/icon_world/sprites.py`). VAE and text encoder are those of `checkpoint/` and stay
as they are; the transformer is new. The folder then holds

    state.pt        what the same command goes on from
    curve.jsonl     the loss on pictures that are not trained on, by minutes
    checkpoint/     a `StableDiffusion3Pipeline` with the averaged weights; it has no T5, so `from_pretrained` takes
                    `text_encoder_3=None, tokenizer_3=None`, and its calls `max_sequence_length=1`

A CPU is enough; jemalloc keeps the memory together, and a compiled transformer is a quarter faster:

    LD_PRELOAD=libjemalloc.so.2 OMP_NUM_THREADS=1 python examples/icon_world/train_joint.py --compile --minutes 95

When the budget is spent, the same command with more `--minutes` goes on: the learning rate rises again to what the new
budget has at that time.
"""

import argparse
import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count as count_from
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, SD3Transformer2DModel, StableDiffusion3Pipeline
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from spacetime_attn.examples.icon_world.data import text_batch
from spacetime_attn.examples.icon_world.grounding import NounPlaces
from spacetime_attn.examples.icon_world.joint import (
    JOINT_TOKENS,
    PATCH,
    GroundedJointAttention,
    ground_joint,
    joint_texts,
    make_joint_pipeline,
    make_transformer,
    wrap_text_encoder,
)
from spacetime_attn.examples.icon_world.loop import EDGES, Trainer
from spacetime_attn.examples.icon_world.models import SCALING_FACTOR
from spacetime_attn.examples.icon_world.render import compose
from spacetime_attn.examples.icon_world.scenes import SMALL_WORLD, scene_stream, sprite_tensor
from spacetime_attn.examples.icon_world.sprites import ATLAS, Atlas
from spacetime_attn.examples.icon_world.things import SIZE


CHECKPOINT = Path(__file__).parent / "checkpoint"
BATCH_SIZE = 32
USES = 4  # of each picture, each time with other noise
RESERVOIR = 2048  # pictures, of which each batch takes some
GROUNDING = 0.05  # the weight of the loss of attention that is not where its thing is
HELD_OUT = 128  # pictures of the development split
SIGMAS = (0.3, 0.6, 0.9)  # at which the held-out loss is measured
OUTER = (*EDGES, "embed", "norm", "proj_out")  # layers that Muon is not for


class JointBatch(NamedTuple):
    """Pictures as latents, and what is said of them."""

    latents: torch.Tensor  # (batch, 4, SIDE, SIDE)
    states: torch.Tensor  # (batch, texts, channels)
    pooled: torch.Tensor  # (batch, channels)
    places: torch.Tensor  # (batch, tokens, patches)


@dataclass(frozen=True)
class Studio:
    """
    What is there before the training, and stays as it is.

    Args:
        sprites (`torch.Tensor`): As `sprite_tensor` gives them.
        checkpoint (`Path`): Whose VAE and text encoder these are.
    """

    sprites: torch.Tensor
    checkpoint: Path = CHECKPOINT

    @cached_property
    def vae(self) -> AutoencoderKL:
        """Frozen, in single precision."""
        vae = AutoencoderKL.from_pretrained(self.checkpoint, subfolder="vae", torch_dtype=torch.float32)
        return vae.requires_grad_(False).eval().to(memory_format=torch.channels_last)

    @cached_property
    def text_encoder(self) -> CLIPTextModelWithProjection:
        """Frozen, as the pipeline has it."""
        return wrap_text_encoder(CLIPTextModel.from_pretrained(self.checkpoint, subfolder="text_encoder"))

    @cached_property
    def tokenizer(self) -> CLIPTokenizer:
        """The checkpoint's, for prompts of `JOINT_TOKENS`."""
        return CLIPTokenizer.from_pretrained(self.checkpoint, subfolder="tokenizer", model_max_length=JOINT_TOKENS)

    @cached_property
    def _nouns(self) -> NounPlaces:
        return NounPlaces(self.tokenizer)

    @torch.no_grad()
    def batch(self, stream: Iterator, count: int) -> JointBatch:
        """The next scenes of a stream; a tenth of the captions is empty."""
        scenes, input_ids = text_batch(stream, count, self.tokenizer)
        pixels = 2 * compose(scenes.corners, self.sprites, scenes.indices, scenes.boxes, SIZE) - 1
        with torch.autocast("cpu", torch.bfloat16):
            posterior = self.vae.encode(pixels.contiguous(memory_format=torch.channels_last)).latent_dist
        states, pooled = joint_texts(self.text_encoder, input_ids)
        places = F.max_pool2d(self._nouns(input_ids, scenes), PATCH).flatten(2)
        return JointBatch(SCALING_FACTOR * posterior.sample().float(), states, pooled, places)

    def batches(self, name: str, count: int, reservoir: int) -> Iterator[JointBatch]:
        """
        Batches of the training split without end. Each takes its pictures by chance from a reservoir, of which then
        `count / USES` are replaced by new ones.
        """
        stream = scene_stream("train", name, world=SMALL_WORLD)
        filled = [self.batch(stream, count) for _ in range(math.ceil(reservoir / count))]
        pool = JointBatch(*map(torch.cat, zip(*filled)))
        size, fresh = len(pool.latents), max(1, count // USES)
        for start in count_from(0, fresh):
            rows = torch.randperm(size)[:count]
            yield JointBatch(*(part[rows] for part in pool))
            old = (start + torch.arange(fresh)) % size
            for part, new in zip(pool, self.batch(stream, fresh)):
                part[old] = new

    def pipeline(self, transformer: SD3Transformer2DModel) -> StableDiffusion3Pipeline:
        """With this transformer."""
        return make_joint_pipeline(self.vae, self.text_encoder, self.tokenizer, transformer)


def velocity_loss(transformer: SD3Transformer2DModel, batch: JointBatch, sigmas: torch.Tensor, noise: torch.Tensor):
    """
    Mean squared error of the velocity of rectified flow, `noise - latents` (Esser et al. 2024).

    Args:
        sigmas (tensor of shape (batch,)): The shares of noise, 0..1.
    """
    level = sigmas[:, None, None, None]
    noisy = torch.lerp(batch.latents, noise, level)
    predicted = transformer(
        noisy, batch.states, batch.pooled, 1000 * sigmas, joint_attention_kwargs={"places": batch.places}
    ).sample
    return F.mse_loss(predicted.float(), noise - batch.latents)


def training_loss(
    transformer: SD3Transformer2DModel, attentions: list[GroundedJointAttention], batch: JointBatch
) -> torch.Tensor:
    """The loss at shares of noise whose logit is normal, and the attention's."""
    count = len(batch.latents)
    quantiles = (torch.arange(count) + torch.rand(count)) / count
    sigmas = torch.special.ndtri(quantiles.clamp(1e-4, 1 - 1e-4)).sigmoid()
    loss = velocity_loss(transformer, batch, sigmas, torch.randn_like(batch.latents))
    return loss + GROUNDING * sum(attention.loss for attention in attentions) / len(attentions)


@torch.no_grad()
def held_out_loss(transformer: SD3Transformer2DModel, batch: JointBatch) -> list[float]:
    """The velocity's error at each of `SIGMAS`, always with the same noise."""
    noise = torch.randn(batch.latents.shape, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        sigmas = (torch.full((len(noise),), sigma) for sigma in SIGMAS)
        return [velocity_loss(transformer, batch, levels, noise).item() for levels in sigmas]


def train(
    studio: Studio,
    folder: Path,
    minutes: float,
    deadline: float = math.inf,
    max_steps: int | None = None,
    batch_size: int = BATCH_SIZE,
    reservoir: int = RESERVOIR,
    compile: bool = False,
) -> bool:
    """Runs or resumes the training in a folder. Returns whether the budget is spent."""
    transformer = make_transformer()
    attentions = ground_joint(transformer)
    if compile:
        transformer.compile()
    trainer = Trainer(transformer, folder / "state.pt", minutes, max_steps, OUTER)
    held_out = studio.batch(scene_stream("dev", "held out", world=SMALL_WORLD), HELD_OUT)

    def report() -> None:
        row = {
            "minutes": round(trainer.seconds / 60, 2),
            "step": trainer.step,
            "loss": held_out_loss(trainer.average, held_out),
        }
        with (folder / "curve.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        save(studio, trainer.average, folder / "checkpoint")

    batches = studio.batches(f"step {trainer.step}", batch_size, reservoir)
    return trainer.run(batches, partial(training_loss, transformer, attentions), deadline, report)


def save(studio: Studio, average: SD3Transformer2DModel, folder: Path) -> None:
    """Saves the pipeline in place of the one before."""
    part, old = folder.with_suffix(".part"), folder.with_suffix(".old")
    studio.pipeline(average).save_pretrained(part)
    if folder.exists():
        os.replace(folder, old)
    os.replace(part, folder)
    shutil.rmtree(old, ignore_errors=True)


def main(argv: list[str] | None = None) -> None:
    """Trains until the budget is spent, or it is time to pause."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--minutes", type=float, default=95, help="of training, in all calls together (default: %(default)s)")
    add("--pause-after", type=float, default=math.inf, metavar="MINUTES", help="pause when this call is so old")
    add("--folder", type=Path, default=Path("runs/sd3"), help="for state and results (default: %(default)s)")
    add("--atlas", type=Path, default=ATLAS, help="the file of sprites (default: %(default)s)")
    add("--compile", action="store_true", help="compile the transformer: faster, needs g++")
    arguments = parser.parse_args(argv)
    deadline = time.monotonic() + 60 * arguments.pause_after
    studio = Studio(sprite_tensor(Atlas.load(arguments.atlas)))
    if not train(studio, arguments.folder, arguments.minutes, deadline, compile=arguments.compile):
        print("Paused: the same command goes on.")


if __name__ == "__main__":
    main()
