"""What a pipeline can do, which decides on the fields that the page shows: `Abilities`."""

from dataclasses import dataclass
from inspect import signature

from ..processors.unet import UNetDenoiser
from ..stock import denoiser_of
from ..videos import most_frames
from .drawing import inner_pipe


@dataclass(frozen=True)
class Abilities:
    """
    Args:
        loras (`tuple[str, ...]`): The names of those that regions can have.
        pictures (`bool`): Whether an IP-Adapter is loaded, which shows them to regions.
        windows (`bool`): Whether a second pass can be drawn in windows.
        true_cfg_scale (`bool`): Whether negative prompts act by that alone, as FLUX.1's do.
        frames (`int`): How many a video may have; 1 where it draws pictures.
    """

    loras: tuple[str, ...] = ()
    pictures: bool = False
    windows: bool = True
    true_cfg_scale: bool = False
    frames: int = 1

    @property
    def videos(self) -> bool:
        """Whether it draws them, and no pictures."""
        return self.frames > 1

    @classmethod
    def of(cls, pipe) -> "Abilities":
        """Those of a pipeline, with what is loaded into it."""
        stock = inner_pipe(pipe)
        denoiser = denoiser_of(stock)
        windows = isinstance(denoiser, UNetDenoiser)
        if not denoiser.takes_adapters:
            distilled = "true_cfg_scale" in signature(stock.__call__).parameters
            return cls(windows=windows, true_cfg_scale=distilled, frames=most_frames(stock))
        layers = [layer for part in stock.components.values() if hasattr(part, "modules") for layer in part.modules()]
        loras = dict.fromkeys(name for layer in layers if hasattr(layer, "lora_A") for name in layer.scaling)
        projection = getattr(stock.unet, "encoder_hid_proj", None)
        return cls(tuple(loras), hasattr(projection, "image_projection_layers"), windows)
