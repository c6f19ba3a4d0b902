"""Texts with weights, and of any length, as a pipeline's `encode_prompt` reads them: `weighted_encoder`."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from diffusers.utils import USE_PEFT_BACKEND, scale_lora_layers, unscale_lora_layers
from diffusers.utils.torch_utils import get_module_execution_device
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from .checks import check_length
from .families import STABLE_DIFFUSION, cut_texts_untold
from .replaced import own_method, uncompiled


def weighted_encoder(pipe, syntax) -> Callable[..., tuple]:
    """
    A pipeline's `encode_prompt` for texts in the syntax of another tool: compel encodes their parts, which are joined
    along the tokens. Prompts and negative prompts that are encoded together get the length of the longest, by the
    encoding of an empty text. What a prompt says is to be absent goes to its negative prompt. The pooled embedding of
    SDXL has no weights. Prompts that come as embeddings pass as they are.

    Args:
        pipe: Of Stable Diffusion 1.x, 2.x or XL.
        syntax ([`PromptSyntax`]): Splits, parses and cleans texts.

    Raises:
        ValueError: The text encoders are not CLIP's.
    """
    encode, signature = own_method(pipe, "encode_prompt"), inspect.signature(type(pipe).encode_prompt)
    for _, encoder in _text_pairs(pipe):
        if not isinstance(uncompiled(encoder), CLIPTextModel | CLIPTextModelWithProjection):
            raise ValueError(
                f"`prompt_syntax` is for the text encoders of CLIP, and {type(pipe).__name__} has a"
                f" {type(encoder).__name__}: leave it out."
            )

    def encode_prompt(*args, **kwargs):
        given = signature.bind(pipe, *args, **kwargs)
        given.apply_defaults()
        if given.arguments["prompt_embeds"] is None:
            with cut_texts_untold(STABLE_DIFFUSION):  # for they are not cut
                given.arguments.update(_embeddings(pipe, syntax, given.arguments))
        return encode(*given.args[1:], **given.kwargs)

    return encode_prompt


def _embeddings(pipe, syntax, options: dict[str, Any]) -> dict[str, Any]:
    """What stands in the place of the texts of a call."""
    is_xl, given_negative = "prompt_2" in options, options["negative_prompt_embeds"]
    texts = [_texts(syntax, options["prompt"], options["negative_prompt"])]
    if is_xl:
        second = [options[f"{name}_2"] or options[name] for name in ("prompt", "negative_prompt")]
        texts.append(_texts(syntax, *second))
    zeros = is_xl and pipe.config.force_zeros_for_empty_prompt and texts[0][1] is None  # diffusers' own
    guided = options["do_classifier_free_guidance"]
    positive, negative = [], []
    with _lora_scaled(pipe, options.get("lora_scale")):
        for (tokenizer, encoder), (prompts, negatives) in zip(_text_pairs(pipe), texts):
            tokenizer = _Tokenizer(pipe, tokenizer)
            positive.append(_Encoded(syntax, tokenizer, _Encoder(encoder, is_xl, options.get("clip_skip")), prompts))
            if guided and given_negative is None and not zeros:
                negatives = negatives or [""] * len(prompts)
                negative.append(_Encoded(syntax, tokenizer, _Encoder(encoder, is_xl), negatives))
    length = max(part.length for part in positive + negative)
    if guided and given_negative is not None and given_negative.shape[1] != length:
        raise ValueError(
            f"`negative_prompt_embeds` has {given_negative.shape[1]} tokens, and the prompt {length}: pass"
            " `negative_prompt`, or `prompt_embeds` as well."
        )
    changes = dict.fromkeys(options.keys() & {"prompt", "prompt_2", "negative_prompt", "negative_prompt_2"})
    for prefix, parts in {"": positive, "negative_": negative}.items():
        if parts:
            changes[f"{prefix}prompt_embeds"] = torch.cat([part.padded(length) for part in parts], dim=-1)
        if parts and is_xl and options[f"{prefix}pooled_prompt_embeds"] is None:
            changes[f"{prefix}pooled_prompt_embeds"] = parts[-1].pooled()
    return changes


def _texts(syntax, prompts: str | list[str], negatives: str | list[str] | None) -> tuple[list[str], list[str] | None]:
    """Prompts without what they say is to be absent, and the negative prompts with it; `None` where there is none."""
    prompts = [prompts] if isinstance(prompts, str) else prompts
    given = negatives if isinstance(negatives, list) else [negatives or ""] * len(prompts)
    check_length("negative_prompt", given, len(prompts), "prompts")
    kept, found = zip(*map(syntax.split, prompts))
    joined = [", ".join(filter(None, both)) for both in zip(given, found)]
    return list(kept), joined if negatives is not None or any(joined) else None


def _text_pairs(pipe) -> list[tuple[Any, nn.Module]]:
    """Tokenizers and text encoders, in order; SDXL's refiner has no first ones."""
    pairs = [(getattr(pipe, f"tokenizer{n}", None), getattr(pipe, f"text_encoder{n}", None)) for n in ("", "_2")]
    return [(tokenizer, encoder) for tokenizer, encoder in pairs if tokenizer is not None and encoder is not None]


@contextmanager
def _lora_scaled(pipe, scale: float | None) -> Iterator[None]:
    """The text encoders' LoRA layers at a scale, as diffusers encodes."""
    encoders = [encoder for _, encoder in _text_pairs(pipe)] if USE_PEFT_BACKEND and scale is not None else []
    for encoder in encoders:
        scale_lora_layers(encoder, scale)
    try:
        yield
    finally:
        for encoder in encoders:
            unscale_lora_layers(encoder, scale)


class _Tokenizer:
    """A tokenizer for compel, by which the words of textual inversions become those of all their vectors."""

    def __init__(self, pipe, tokenizer):
        self._convert, self._tokenizer = getattr(pipe, "maybe_convert_prompt", None), tokenizer

    def __getattr__(self, name: str):
        return getattr(self._tokenizer, name)

    def __call__(self, texts: list[str], **options):
        return self._tokenizer(self._convert(texts, self._tokenizer) if self._convert else texts, **options)


class _Encoder:
    """A text encoder for compel, which takes its last states to be the layer that diffusers reads."""

    def __init__(self, encoder: nn.Module, is_xl: bool, clip_skip: int | None = None):
        self.encoder, self.is_xl, self.clip_skip = encoder, is_xl, clip_skip
        self.device, self.dtype = get_module_execution_device(encoder), encoder.dtype

    def __call__(self, token_ids: torch.Tensor, attention_mask: torch.Tensor | None, **options) -> SimpleNamespace:
        mask = None if attention_mask is None or attention_mask.all() else attention_mask
        output = self.encoder(token_ids, attention_mask=mask, output_hidden_states=True)
        if self.is_xl:
            states = output.hidden_states[-2 - (self.clip_skip or 0)]
        elif self.clip_skip is None:
            states = output[0]
        else:
            model = uncompiled(self.encoder)
            norm = getattr(model, "text_model", model).final_layer_norm
            states = norm(output.hidden_states[-1 - self.clip_skip])
        return SimpleNamespace(last_hidden_state=states, pooler_output=output[0])


class _Encoded:
    """Texts as one encoder reads them."""

    def __init__(self, syntax, tokenizer: _Tokenizer, encoder: _Encoder, texts: list[str]):
        from compel import Compel, SplitLongTextMode

        compel = Compel(
            tokenizer,
            encoder,
            truncate_long_prompts=False,
            split_long_text_mode=SplitLongTextMode[syntax.splits_at],
            device=encoder.device,
        )
        self._provider, self._plain_texts = compel.conditioning_provider, list(map(syntax.text, texts))
        self._states = [compel.build_conditioning_tensor_for_conjunction(syntax.parse(text))[0] for text in texts]
        self.length = max(states.shape[1] for states in self._states)

    def padded(self, length: int) -> torch.Tensor:
        """Shape (texts, length, channels)."""
        empty = self._provider.empty_z.to(self._states[0])
        missing = ((length - states.shape[1]) // empty.shape[1] for states in self._states)
        return torch.cat([torch.cat([states, *[empty] * n], dim=1) for states, n in zip(self._states, missing)])

    def pooled(self) -> torch.Tensor:
        """Shape (texts, channels): that of the texts without syntax, as far as the encoder reads at once."""
        return self._provider.get_pooled_embeddings(self._plain_texts)
