"""What holds where a call says nothing: `Defaults`, which belong to a checkpoint, and `PRESETS` of them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch

from .checks import check_choice, check_range
from .control import BLENDS
from .weights import CONVEX_WEIGHT, GUIDED_STRENGTH, WEIGHT_SCHEDULES, default_weights


_CHOICES = {
    "default_blend": BLENDS,
    "weight_schedule": WEIGHT_SCHEDULES,
    "region_shape": ("disc", "box"),
    "depth_order": (False, True),
}
_RANGES = {
    "guided_strength": (),
    "convex_weight": (0, 1),
    "control_guidance_end": (0, 1),
    "disc_radius": (0.001, 10),
    "box_scale": (0.01, 100),
    "separation_strength": (0, 100),
    "separation_end": (0, 1),
    "upscale_guidance_scale": (0, 100),
    "upscale_convex_weight": (0, 1),
}
_OPTIONAL = ("upscale_guidance_scale", "upscale_convex_weight")


@dataclass(frozen=True)
class Defaults:
    """
    How the objects of a checkpoint's pictures are controlled, unless a call says otherwise. Without arguments, the
    settings of the official code (arXiv:2304.03869).

    Args:
        default_blend (`str`): `"guided"` or `"convex"`, for calls under classifier-free guidance that name none.
            Calls without guidance are always convex.
        guided_strength (`float`): Shared by the objects of a picture: each has the guided weight strength / N.
        convex_weight (`float`): The convex weight of every object, in 0..1.
        control_guidance_end (`float`): The part of a run's steps, from its first on, in which these weights act, in
            0..1.
        weight_schedule (`str`): What they do until then: `"constant"`, or `"linear"`, which falls from that strength
            to zero.
        region_shape (`str`): What a box of the predictors that ship becomes: `"disc"` (around its centre, described
            by its phrase alone) or `"box"`.
        disc_radius (`float`): Of those discs, in units of the image side.
        box_scale (`float`): By which the sides of those boxes are multiplied, for checkpoints whose objects are
            smaller or larger than the predictors believe.
        depth_order (`bool`): Where regions overlap, whether what is in front weakens what is behind it, see
            [`Layout.masks`]. Otherwise overlaps add.
        separation_strength (`float`): By how much the logits of self-attention fall between places in different
            regions, so that neighbours take less from each other, see [`memberships`]. With 0 it is as it was.
        separation_end (`float`): The part of a run's steps, from its first on, in which they do, in 0..1.
        upscale_guidance_scale (`float`, *optional*): The highest guidance scale that a second pass, see `upscale`,
            takes over from the first one; by default any. At the low noise of a second pass, guidance matters little
            (arXiv:2404.07724), and some checkpoints do not bear much of it in pictures larger than their own.
        upscale_convex_weight (`float`, *optional*): The convex weight of every object at all steps of a second pass
            that is given neither blend nor weights, after a first one that was given no weights, in 0..1; by default
            such a pass has the weights of a first one. With 1, only its description counts inside a region.

    Raises:
        ValueError: Another choice, or a number out of range.
    """

    default_blend: str = "guided"
    guided_strength: float = GUIDED_STRENGTH
    convex_weight: float = CONVEX_WEIGHT
    control_guidance_end: float = 1.0
    weight_schedule: str = "constant"
    region_shape: str = "disc"
    disc_radius: float = 0.2
    box_scale: float = 1.0
    depth_order: bool = False
    separation_strength: float = 0.0
    separation_end: float = 0.3
    upscale_guidance_scale: float | None = None
    upscale_convex_weight: float | None = None

    def __post_init__(self):
        for name, choices in _CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        for name, limits in _RANGES.items():
            if name in _OPTIONAL and getattr(self, name) is None:
                continue
            check_range(name, getattr(self, name), *limits)
            object.__setattr__(self, name, float(getattr(self, name)))  # numpy's numbers have no place in JSON
        object.__setattr__(self, "depth_order", bool(self.depth_order))

    @classmethod
    def of(cls, config: Mapping) -> "Defaults":
        """Those in a pipeline's config. diffusers keeps what a pipeline does not know there with an underscore."""
        own = {name: config.get(name, config.get(f"_{name}")) for name in DEFAULT_NAMES}
        return cls(**{name: value for name, value in own.items() if value is not None})

    def fitted(self, layout):
        """A [`Layout`] of the predictors that ship, with the regions that the checkpoint is to have."""
        if self.region_shape == "disc":
            return layout.with_discs(self.disc_radius).without_descriptions()
        return layout.with_scaled_boxes(self.box_scale)

    def weights(self, blend: str) -> dict:
        """Strength, end and schedule, as `default_weights` takes them."""
        return {
            "strength": self.guided_strength if blend == "guided" else self.convex_weight,
            "end": self.control_guidance_end,
            "schedule": self.weight_schedule,
        }

    def separations(self, steps: int, first: int = 0) -> torch.Tensor | None:
        """The strength at each step, of a run that begins with the `first`; `None` where it is 0."""
        if not self.separation_strength:
            return None
        return default_weights(1, steps, "convex", self.separation_strength, self.separation_end, first=first)[0]


DEFAULT_NAMES = tuple(field.name for field in fields(Defaults))

# "official" is what the authors measured on Stable Diffusion 1.4. "early" has been measured on no real checkpoint: it
# follows what icon world shows, where weights that stay the same at all steps make more errors than plain sampling.
PRESETS = {
    "official": Defaults(),
    "early": Defaults(control_guidance_end=0.5, weight_schedule="linear", region_shape="box"),
}


def has_defaults(config: Mapping) -> bool:
    """Whether a pipeline's config says any of them, see [`Defaults.of`]."""
    return any(config.keys() & {name, f"_{name}"} for name in DEFAULT_NAMES)


def chosen_defaults(preset: str | Defaults | None, config: Mapping, of_family: str = "official") -> Defaults:
    """
    The preset of that name, or the very defaults; where nothing is named, what a pipeline's config says, or the preset
    of its family where that says nothing.

    Raises:
        ValueError: There is no such preset, or a default in the config makes no sense.
    """
    if preset is None:
        return Defaults.of(config) if has_defaults(config) else PRESETS[of_family]
    if isinstance(preset, Defaults):
        return preset
    check_choice("preset", preset, tuple(PRESETS))
    return PRESETS[preset]
