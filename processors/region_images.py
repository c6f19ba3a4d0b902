"""Pictures of regions: an IP-Adapter's tokens, each within its region."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.embeddings import (
    ImageProjection,
    IPAdapterFaceIDImageProjection,
    IPAdapterFaceIDPlusImageProjection,
)


@dataclass(frozen=True)
class RegionImages:
    """
    What the image encoder makes of the pictures that regions have.

    Args:
        objects (`list[int | None]` of length R): Those that have one, rising; `None` for one outside of what is drawn.
        embeds (`torch.Tensor` of shape (R, ...)): Of the pictures.
        negatives (`torch.Tensor` of the same shape): What takes their place in unconditional rows.
    """

    objects: list[int | None]
    embeds: torch.Tensor
    negatives: torch.Tensor

    def completed(self, arguments: Mapping[str, Any], control, evaluation, column: int) -> dict[str, Any]:
        """
        The arguments of the UNet's `forward` with these pictures, each with a mask for each row of the batch, as
        diffusers' IP-Adapters take them. Pictures of the call itself go on to act everywhere.

        Raises:
            ValueError: The call has masks of its own.
        """
        given = dict(arguments.get("cross_attention_kwargs") or {})
        if given.get("ip_adapter_masks") is not None:
            raise ValueError("`ip_adapter_masks` do not go with regions that have an `image`: leave out one of them.")
        conditions = dict(arguments.get("added_cond_kwargs") or {})
        own = conditions.get("image_embeds") or []
        rows = control.conditional_rows(evaluation.rows)
        embeds = torch.stack([self.negatives] * rows.start + [self.embeds] * (rows.stop - rows.start))
        masks = self._masks(control, evaluation, column)
        if own:
            masks = torch.cat([masks.new_ones(len(masks), own[0].shape[1], *masks.shape[2:]), masks], dim=1)
            embeds = torch.cat([own[0], embeds.to(own[0])], dim=1)
        conditions["image_embeds"], given["ip_adapter_masks"] = [embeds], [masks]
        return {**arguments, "added_cond_kwargs": conditions, "cross_attention_kwargs": given}

    def _masks(self, control, evaluation, column: int) -> torch.Tensor:
        """Where each picture acts in every row, (rows, R, height, width)."""
        masks = torch.zeros(evaluation.images, len(self.objects), *evaluation.grids[0])
        regions, acting = control.masks(*evaluation.grids[0]), control.acting(column)
        copies = evaluation.images // control.num_prompts
        for place, number in enumerate(self.objects):
            if number is not None and acting[number]:
                first = control.owners[number] * copies
                masks[first : first + copies, place] = regions[number]
        return masks.repeat(evaluation.rows // evaluation.images, 1, 1, 1).to(evaluation.like)


@torch.no_grad()
def region_images(denoiser, pictures: Mapping[int, Any]) -> RegionImages | None:
    """
    Looks at the pictures of regions; `None` where there are none.

    Args:
        denoiser ([`UNetDenoiser`], or another family's): Of the pipeline that has the image encoder.
        pictures (`Mapping[int, Region]`): The objects that have one, by number.

    Raises:
        ValueError: The pipeline has not one IP-Adapter with its image encoder.
    """
    if not pictures:
        return None
    pipe, phrase = denoiser.pipe, next(iter(pictures.values())).phrase
    projection = getattr(denoiser.model, "encoder_hid_proj", None)
    loaded = getattr(projection, "image_projection_layers", ())
    if len(loaded) != 1 or pipe.image_encoder is None:
        lack = f"{len(loaded)} are" if len(loaded) != 1 else "its image encoder is not"
        raise ValueError(f"`image` of {phrase!r} needs one IP-Adapter, and {lack} loaded: call `load_ip_adapter`.")
    if isinstance(loaded[0], (IPAdapterFaceIDImageProjection, IPAdapterFaceIDPlusImageProjection)):
        raise ValueError(f"`image` of {phrase!r} needs an IP-Adapter that looks at pictures, and this one is FaceID.")
    images = [region.image for region in pictures.values()]
    hidden = not isinstance(loaded[0], ImageProjection)
    found = pipe.encode_image(images, pipe._execution_device, 1, hidden)
    return RegionImages(list(pictures), *(part.to(denoiser.model.dtype) for part in found))
