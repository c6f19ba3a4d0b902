"""How far pictures are from their texts, as CLIP sees it: what optimised weights make smaller."""

import math
import os
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModel, AutoTokenizer
from transformers.image_processing_base import ImageProcessingMixin


class ImageTextModel:
    """
    CLIP, or another model of transformers with image and text features in one space (SigLIP).

    Args:
        model (`nn.Module`): With `get_image_features` and `get_text_features`.
        tokenizer: Its tokenizer.
        mean, std (`Sequence[float]`): The pixels' statistics that the model wants, for RGB in 0..1.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer,
        mean: Sequence[float] = (0.48145466, 0.4578275, 0.40821073),
        std: Sequence[float] = (0.26862954, 0.26130258, 0.27577711),
    ):
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.mean, self.std = tuple(mean), tuple(std)

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike, **options) -> "ImageTextModel":
        """
        Loads it by model id or folder.

        Args:
            options: For all parts, such as `subfolder` or `cache_dir`.

        Raises:
            OSError: Nothing is found there.
        """
        preprocessing, _ = ImageProcessingMixin.get_image_processor_dict(name, **options)
        statistics = {
            part: preprocessing[f"image_{part}"] for part in ("mean", "std") if f"image_{part}" in preprocessing
        }
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
        return cls(AutoModel.from_pretrained(name, dtype=torch.float32, **options), tokenizer, **statistics)

    @property
    def image_size(self) -> int:
        """The side of the pictures it takes, in pixels."""
        return self.model.config.vision_config.image_size

    @torch.no_grad()
    def text_features(self, texts: Sequence[str]) -> torch.Tensor:
        """Texts, cut off where they are too long, as unit vectors: shape (texts, features)."""
        length = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(
            list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        return self._unit(self.model.get_text_features(tokens.input_ids.to(self.model.device)))

    def image_features(self, pixels: torch.Tensor, normalize: bool = True) -> torch.Tensor:
        """
        Args:
            pixels (`torch.Tensor` of shape (pictures, 3, image_size, image_size)): RGB in 0..1.
            normalize (`bool`): Whether the pixels get the statistics that the model was trained with.

        Returns:
            Unit vectors, shape (pictures, features).
        """
        if normalize:
            mean, std = (pixels.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
            pixels = (pixels - mean) / std
        return self._unit(self.model.get_image_features(pixels.to(self.model.dtype)))

    @staticmethod
    def _unit(features) -> torch.Tensor:
        features = getattr(features, "pooler_output", features)  # transformers 5 wraps them
        return F.normalize(features.float(), dim=-1)


class ClipObjective:
    """
    The objective of arXiv:2304.03869: `d(I, D) + local_factor * sum_i d(crop_i(I), text_i)` for every picture I of
    prompt D, with d = 1 - cosine similarity.

    Args:
        clip ([`ImageTextModel`]): Which sees and reads.
        prompts (`Sequence[str]`): One for each picture.
        local_texts (`Sequence[str]`): One for each object.
        owners (`Sequence[int]`): The picture of each object.
        windows (`Sequence[tuple[float, float, float, float]]`): What is cropped for each object, `(x0, y0, x1, y1)`
            in units of the picture's sides; what lies outside 0..1 is left out.
        local_factor (`float`): The objects' part; with 0 their crops are not looked at.
        official (`bool`): The official code's preparation of pixels: the whole picture is averaged over areas, crops
            are resized without antialiasing, and CLIP's statistics are not applied.
    """

    def __init__(
        self,
        clip: ImageTextModel,
        prompts: Sequence[str],
        local_texts: Sequence[str],
        owners: Sequence[int],
        windows: Sequence[tuple[float, float, float, float]],
        local_factor: float = 5.0,
        official: bool = False,
    ):
        if local_factor == 0:
            local_texts, owners, windows = (), (), ()
        self.clip = clip
        self.owners = torch.tensor(owners, dtype=torch.long, device=clip.model.device)
        self.windows = list(windows)
        self.local_factor = local_factor
        self.official = official
        self._texts = clip.text_features([*prompts, *local_texts])

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """
        Args:
            images (`torch.Tensor` of shape (pictures, 3, height, width)): RGB in 0..1.

        Returns:
            The distance of each picture, shape (pictures,).
        """
        images = images.to(self.clip.model.device)
        size = self.clip.image_size
        whole = _average_areas(images, size) if self.official else _resize(images, size)
        crops = [
            _resize(_crop(images[owner], window), size, antialias=not self.official)
            for owner, window in zip(self.owners.tolist(), self.windows)
        ]
        seen = self.clip.image_features(torch.cat([whole, *crops]), normalize=not self.official)
        distances = 1 - (seen * self._texts).sum(dim=-1)
        local = distances[len(images) :] * self.local_factor
        return distances[: len(images)].index_add(0, self.owners, local)


def _crop(image: torch.Tensor, window: tuple[float, float, float, float]) -> torch.Tensor:
    """The part of one picture (3, height, width) inside a window, at least a pixel of it: (1, 3, rows, columns)."""
    height, width = image.shape[-2:]
    x0, y0, x1, y1 = (min(max(side, 0.0), 1.0) for side in window)
    left, top = min(int(width * x0), width - 1), min(int(height * y0), height - 1)
    right, bottom = max(int(width * x1), left + 1), max(int(height * y1), top + 1)
    return image[None, :, top:bottom, left:right]


def _resize(images: torch.Tensor, size: int, antialias: bool = True) -> torch.Tensor:
    return F.interpolate(images, (size, size), mode="bilinear", align_corners=False, antialias=antialias)


def _average_areas(images: torch.Tensor, size: int) -> torch.Tensor:
    """Every pixel of the result is the mean of the area it covers, parts of pixels included."""
    for dim in (2, 3):
        length = images.shape[dim]
        common = math.gcd(length, size)
        fine = images.repeat_interleave(size // common, dim)
        images = fine.unflatten(dim, (size, length // common)).mean(dim + 1)
    return images
