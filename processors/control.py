"""What the attention layers share in a run: local descriptions, regions and this step's combination weights."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch


BLENDS = ("guided", "convex")


@dataclass(frozen=True)
class Placement:
    """
    Where the objects act on the queries of one layer. All prompts' objects are numbered through, 0..E-1.

    Args:
        index (`torch.Tensor` of shape (E, Q)): Rows of the flattened conditional queries (images * tokens) that lie
            inside each object's region, in all images of its prompt; padded with 0.
        mask (`torch.Tensor` of shape (E, Q)): The region's value there, 0..1; 0 for padding.
    """

    index: torch.Tensor
    mask: torch.Tensor


@dataclass
class RegionalControl:
    """
    The spatial and temporal control of one run (arXiv:2304.03869, section 3).

    Args:
        contexts (`torch.Tensor` of shape (E, tokens, channels)): The encoded local descriptions L_i.
        owners (`list[int]` of length E): The prompt each object belongs to, rising.
        num_prompts (`int`): How many prompts a batch holds, those without objects included.
        masks (`Callable`): `masks(height, width)` gives the regions m_i on a grid, shape (E, height, width), 0..1.
        weights (`torch.Tensor` of shape (E, steps) or (E, 1)): The combination weights; one column means the same
            weight at every step.
        blend (`str`): `"guided"` or `"convex"`.
        strengths (`torch.Tensor` of shape (E, steps), *optional*): Factors on the weights; without it all are 1.
        negatives (`torch.Tensor` of shape (M, tokens, channels), *optional*): The encoded negative prompts N_i of
            those objects that have one.
        negated (`list[int]` of length M): The objects that these belong to, rising.
    """

    contexts: torch.Tensor
    owners: list[int]
    num_prompts: int
    masks: Callable[[int, int], torch.Tensor]
    weights: torch.Tensor
    blend: str = "guided"
    strengths: torch.Tensor | None = None
    negatives: torch.Tensor | None = None
    negated: list[int] = field(default_factory=list)

    size: tuple[int, int] = field(default=(0, 0), init=False)  # of the latents, rows and columns
    guided_batch: bool = field(default=False, init=False)  # the batch is [unconditional, conditional]
    step_weights: torch.Tensor | None = field(default=None, init=False)  # (E, 1); None: no control at this step
    recomputed: bool = field(default=False, init=False)  # evaluations are, each with its own step's weights
    run: int = field(default=0, init=False)  # grows with every run, so that caches know theirs has passed
    placements: dict[int, Placement] = field(default_factory=dict, init=False, repr=False)  # by a layer's queries
    _known_placements: dict = field(default_factory=dict, init=False, repr=False)

    def begin_run(self) -> None:
        """Forgets what belonged to the last run."""
        self.run += 1
        self._known_placements.clear()

    def begin_step(self, column: int, latents: torch.Tensor, guided_batch: bool) -> None:
        """
        Prepares one evaluation of the UNet. All that depends on values is done here, outside the layers, so that
        these can be compiled.

        Args:
            column (`int`): The column of the weights.
            latents (`torch.Tensor` of shape (rows, channels, height, width)): The UNet's input.
            guided_batch (`bool`): Whether the rows are [unconditional, conditional], as under classifier-free
                guidance. Guided control rests where they are not, for there is nothing to subtract.
        """
        self.size = tuple(latents.shape[-2:])
        self.guided_batch = guided_batch
        self.step_weights = None
        weights = self.weights[:, column : column + 1] if self.weights.shape[1] > 1 else self.weights
        if self.strengths is not None:
            weights = weights * self.strengths[:, column : column + 1]
        acts = weights.requires_grad or bool(weights.any())
        if acts and (guided_batch or self.blend == "convex"):
            self.step_weights = weights.to(latents.device)
            self._place_all(len(latents[self.conditional_rows(len(latents))]), latents.device)

    @property
    def negates(self) -> bool:
        """Whether objects' own negative prompts act at this evaluation: they need the unconditional rows."""
        return self.negatives is not None and self.guided_batch

    def conditional_rows(self, rows: int) -> slice:
        """The conditional part of a batch of `rows` rows."""
        if self.guided_batch and rows % 2:
            raise ValueError(f"The UNet runs on {rows} rows, which are not [unconditional, conditional] halves.")
        return slice(rows // 2, rows) if self.guided_batch else slice(0, rows)

    def placement(self, tokens: int) -> Placement:
        """
        Where the objects act in a layer of `tokens` queries for each conditional row.

        Raises:
            ValueError: No number of halvings of the latents gives that many tokens.
        """
        if tokens not in self.placements:
            height, width = self.size
            raise ValueError(f"No layer of a UNet on {height} x {width} latents has {tokens} queries.")
        return self.placements[tokens]

    def _place_all(self, images: int, device: torch.device) -> None:
        """Prepares `placement` for layers of every size, for so many conditional rows; once a run."""
        if images % self.num_prompts:
            raise ValueError(
                f"The UNet runs on {images} conditional rows, which is no multiple of the {self.num_prompts} prompts"
                " that have a layout. Pass one layout for each prompt of the batch."
            )
        key = images, device, self.size
        if key not in self._known_placements:
            copies = images // self.num_prompts
            grids = layer_grids(*self.size)
            self._known_placements[key] = {
                rows * columns: self._place(rows, columns, copies, device) for rows, columns in grids
            }
        self.placements = self._known_placements[key]

    def _place(self, rows: int, columns: int, copies: int, device: torch.device) -> Placement:
        masks, tokens = self.masks(rows, columns).flatten(1), rows * columns  # (E, tokens)
        inside = [mask.nonzero()[:, 0] for mask in masks]
        longest = max((len(pixels) for pixels in inside), default=0)
        index = torch.zeros(len(masks), copies, longest, dtype=torch.long)
        values = torch.zeros(len(masks), copies, longest)
        for e, pixels in enumerate(inside):
            first_rows = (self.owners[e] * copies + torch.arange(copies)) * tokens
            index[e, :, : len(pixels)] = first_rows[:, None] + pixels
            values[e, :, : len(pixels)] = masks[e, pixels]
        return Placement(index.flatten(1).to(device), values.flatten(1).to(device))


def layer_grids(height: int, width: int) -> Iterator[tuple[int, int]]:
    """The rows and columns of the layers of a UNet on latents of height x width, which halves both, rounding up."""
    yield height, width
    while height * width > 1:
        height, width = (height + 1) // 2, (width + 1) // 2
        yield height, width
