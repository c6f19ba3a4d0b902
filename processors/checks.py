"""Arguments of a call that make no sense, refused before any model runs: which argument, its value, what to do."""

import math
from collections.abc import Sequence
from numbers import Integral, Real

import torch

from ..layout.files import shortened


def _is_count(value) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and value > 0


def _is_finite(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value) -> bool:
    return isinstance(value, str) or isinstance(value, list) and value and all(isinstance(x, str) for x in value)


def _is_finite_tensor(value) -> bool:
    return torch.is_tensor(value) and bool(value.isfinite().all())


def _is_pair(value) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(x, Integral) for x in value)


def _is_generator(value) -> bool:
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(isinstance(x, torch.Generator) for x in values)


# What each argument has to be where it is not None.
_RULES = (
    ("prompt prompt_2 negative_prompt negative_prompt_2", _is_text, "a string, or a list of at least one string"),
    ("layout_prompt", _is_text, "a string, or a list of at least one string"),
    ("height width", _is_count, "a whole number of pixels from 8, divisible by 8"),
    ("num_inference_steps num_images_per_prompt", _is_count, "a whole number from 1"),
    ("guidance_scale guidance_rescale eta", _is_finite, "a finite number"),
    ("generator", _is_generator, "a torch.Generator or a list of them"),
    ("latents prompt_embeds negative_prompt_embeds", _is_finite_tensor, "a tensor of finite numbers"),
    ("pooled_prompt_embeds negative_pooled_prompt_embeds", _is_finite_tensor, "a tensor of finite numbers"),
    ("denoising_end", lambda value: _is_finite(value) and 0 <= value <= 1, "a number in 0..1"),
    ("original_size target_size", _is_pair, "a tuple of two whole numbers, (height, width)"),
    ("negative_original_size negative_target_size", _is_pair, "a tuple of two whole numbers, (height, width)"),
    ("crops_coords_top_left negative_crops_coords_top_left", _is_pair, "a tuple of two whole numbers, (top, left)"),
    ("clip_skip", lambda value: isinstance(value, Integral) and value >= 0, "a whole number from 0"),
    ("cross_attention_kwargs", lambda value: isinstance(value, dict), "a dict"),
    ("callback_on_step_end", callable, "callable"),
)
_OPTION_RULES = {name: (fits, wanted) for names, fits, wanted in _RULES for name in names.split()}
_NEEDED = ("guidance_scale", "guidance_rescale", "num_images_per_prompt")


def check_options(options: dict) -> None:
    """
    Checks types and ranges of the stock pipeline's arguments, which it finds out too late or not at all.

    Args:
        options (`dict`): The arguments by name, [`StableDiffusionPipeline`]'s or [`StableDiffusionXLPipeline`]'s;
            `None` passes where the argument may be left out.

    Raises:
        ValueError, TypeError: Names the argument, its value and what it has to be.
    """
    for name, (_, wanted) in _OPTION_RULES.items():
        if name in _NEEDED and options[name] is None:
            raise _misfit(name, wanted, None)
        check_option(name, options.get(name))
    if options["num_inference_steps"] is None and options["timesteps"] is None and options["sigmas"] is None:
        raise ValueError("`num_inference_steps` is None: pass a whole number from 1, `timesteps` or `sigmas`.")


def check_option(name: str, value) -> None:
    """Raises a ValueError or TypeError unless one of these arguments is `None` or what it has to be."""
    fits, wanted = _OPTION_RULES[name]
    if value is not None and not fits(value):
        raise _misfit(name, wanted, value)


def _misfit(name: str, wanted: str, value) -> Exception:
    error = ValueError if isinstance(value, (Real, str, list, torch.Tensor)) else TypeError
    return error(f"`{name}` has to be {wanted}, got {shortened(value)}.")


def check_batch(options: dict, context_width: int) -> None:
    """
    Checks that the arguments belong to one batch.

    Args:
        options (`dict`): The arguments by name, each sound by itself.
        context_width (`int`): Channels of the UNet's cross-attention, the last size of `prompt_embeds`.

    Raises:
        ValueError, TypeError: Names the arguments that disagree.
    """
    prompt, negative_prompt = options["prompt"], options["negative_prompt"]
    for name in ("prompt_embeds", "negative_prompt_embeds"):
        embeds = options[name]
        if embeds is not None and (embeds.ndim != 3 or embeds.shape[-1] != context_width):
            raise ValueError(
                f"`{name}` has to be of shape (prompts, tokens, {context_width}), got {tuple(embeds.shape)}."
            )
    prompts = 1 if isinstance(prompt, str) else len(options["prompt_embeds"] if prompt is None else prompt)
    one_kind = "prompt_2" not in options  # SDXL's pipeline takes one negative prompt for several prompts
    if one_kind and None not in (negative_prompt, prompt) and type(negative_prompt) is not type(prompt):
        raise TypeError(
            "`negative_prompt` has to be a string where `prompt` is one, and a list where it is a list; got"
            f" {shortened(negative_prompt)} with {shortened(prompt)}."
        )
    pictures = prompts * options["num_images_per_prompt"]
    prompt_2 = options.get("prompt_2")
    check_length("prompt_2", [prompt_2] if isinstance(prompt_2, str) else prompt_2, prompts, "prompts")
    for name in ("negative_prompt", "negative_prompt_2", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"):
        check_length(name, options.get(name), prompts, "prompts")
    for name in ("generator", "latents"):
        check_length(name, options[name], pictures, "pictures")


def check_text_to_image(in_channels: int, out_channels: int) -> None:
    """Raises a ValueError if a UNet of so many channels is given more than the noise that it predicts."""
    if in_channels > out_channels:
        raise ValueError(
            f"The UNet takes {in_channels} channels, {in_channels - out_channels} more than the latents have, as"
            " checkpoints for inpainting do: it makes no pictures from text alone. Load it with the stock pipeline of"
            " its task, such as StableDiffusionInpaintPipeline or StableDiffusionXLInpaintPipeline, and call that"
            " within `spacetime_attention(pipe, layout)`."
        )


def check_length(name: str, values, count: int, what: str) -> None:
    """Raises a ValueError if the argument `name` is a list or tensor of another length than `count`."""
    if isinstance(values, (list, torch.Tensor)) and len(values) != count:
        raise ValueError(f"`{name}` holds {len(values)} entries, but there are {count} {what}: pass one for each.")


def check_pictures(pictures) -> None:
    """
    Raises a ValueError if any of the pictures (or latents), a tensor or array with one in each row, is not a number
    throughout.
    """
    finite = torch.as_tensor(pictures).isfinite().flatten(1).all(dim=1)
    if not finite.all():
        which = ", ".join(str(number) for number, fine in enumerate(finite.tolist(), 1) if not fine)
        raise ValueError(
            f"The model gave NaN or infinity for picture {which} of {len(finite)}. Lower `weights` and the regions'"
            " strengths, check `latents` and embeddings, or take a dtype of a larger range than float16."
        )


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raises a ValueError unless the argument `name` is one of the choices."""
    if value not in choices:
        raise ValueError(f"`{name}` has to be one of {', '.join(map(repr, choices))}, got {value!r}.")


def check_count(name: str, value: int) -> None:
    """Raises a ValueError or TypeError unless the argument `name` is a whole number from 1."""
    if not _is_count(value):
        raise _misfit(name, "a whole number from 1", value)


def check_range(name: str, value: float, lowest: float = -math.inf, highest: float = math.inf) -> None:
    """Raises a ValueError unless the argument `name` is a finite number in lowest..highest."""
    if not _is_finite(value) or not lowest <= value <= highest:
        wanted = "a finite number" if highest == math.inf else f"a number in {lowest:g}..{highest:g}"
        raise ValueError(f"`{name}` has to be {wanted}, got {value!r}.")
