"""What the attention layers share in a run: local descriptions, regions and this step's combination weights."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from .region_adapters import AdapterStep, RegionAdapters, adapter_amounts, of_layer
from .region_images import RegionImages
from .separation import Separation, memberships, separated


BLENDS = ("guided", "convex")


@dataclass(frozen=True)
class Evaluation:
    """
    What the control has to know of one evaluation of a denoiser.

    Args:
        rows (`int`): Of the batch in the layers, where frames are rows.
        grids (`tuple[tuple[int, int], ...]`): The rows and columns of the picture's tokens, in layers of every size.
        like (`torch.Tensor`): Of the device and dtype that the regions shall have.
        passes (`str`): What the rows are: `"both"`, [unconditional, conditional], as under classifier-free guidance;
            `"conditional"`; or `"unconditional"`, where the negative prompt has an evaluation of its own.
        frames (`int`): Of each video, of which a row holds as many.
        timestep (`torch.Tensor` or `float`): As the scheduler has it.
        part (`tuple[float, float, float, float]`, *optional*): What it sees of the picture, `(x0, y0, x1, y1)` in
            units of the sides, where that is not all.
    """

    rows: int
    grids: tuple[tuple[int, int], ...]
    like: torch.Tensor
    passes: str
    frames: int = 1
    timestep: torch.Tensor | float = 0.0
    part: tuple[float, float, float, float] | None = None

    @property
    def images(self) -> int:
        """The rows of one pass."""
        return self.rows // 2 if self.passes == "both" else self.rows


@dataclass(frozen=True)
class Placement:
    """
    Where, and at this step how much, the objects act on the picture's queries of one layer. All prompts' objects are
    numbered through, 0..E-1.

    Args:
        index (`torch.Tensor` of shape (E, Q)): Rows of the flattened conditional queries (images * tokens) that lie
            inside each object's region, in all images of its prompt; padded with 0.
        amount (`torch.Tensor` of shape (E, Q, 1)): m_i c_i, the region's value there times the object's weight; 0 for
            padding. Under convex control the objects' amounts at a query add up to at most 1.
    """

    index: torch.Tensor
    amount: torch.Tensor


@dataclass(frozen=True)
class _LayerRegions:
    """
    What is the same at all steps. Of a [`Placement`]: its index, m_i there, and how many queries it is about; of a
    [`Separation`]: each picture's `memberships`.
    """

    index: torch.Tensor
    mask: torch.Tensor
    queries: int
    members: torch.Tensor | None

    def placement(self, weights: torch.Tensor, blend: str) -> Placement:
        """With weights of shape (E, 1)."""
        amount = self.mask * weights
        if blend == "convex":
            total = amount.new_zeros(self.queries).index_add(0, self.index.flatten(), amount.flatten())
            amount = amount / total.clamp(min=1)[self.index]
        return Placement(self.index, amount.to(self.mask.dtype)[..., None])


class _Thread(threading.local):
    """What is so in one thread."""

    plain: bool | None = None  # whether its evaluation is not of the controlled run; None: it has begun none
    reading: tuple[dict[str, float], ...] | None = None  # the adapters of the texts whose keys it computes


@dataclass
class RegionalControl:
    """
    The spatial and temporal control of one run (arXiv:2304.03869, section 3). Threads may share the layers, not the
    control: it acts in all of them, autograd's own included, but those that tell of an evaluation of another run.

    Args:
        contexts (`torch.Tensor` of shape (E, tokens, channels)): The encoded local descriptions L_i: of each prompt
            those of its objects, and last that of its background, where it has one.
        owners (`list[int]` of length E): The prompt each of them belongs to, rising.
        num_prompts (`int`): How many prompts a batch holds, those without objects included; for a video it may be
            the number of its frames, which then have a layout each.
        masks (`Callable`): `masks(height, width)` gives the regions m_i on a grid, shape (E, height, width), 0..1;
            `masks(height, width, part)` what a part of the picture shows of them.
        weights (`torch.Tensor` of shape (O, steps) or (O, 1)): The combination weights of the objects; one column
            means the same weight at every step. A background has the mean of its prompt's.
        blend (`str`): `"guided"` or `"convex"`.
        strengths (`torch.Tensor` of shape (E, steps), *optional*): Factors on the weights; without it all are 1.
        negatives (`torch.Tensor` of shape (M, tokens, channels), *optional*): The encoded negative prompts N_i of
            those objects that have one.
        negated (`list[int]` of length M): Which of the E these belong to, rising.
        backgrounds (`list[int]`): Which of the E are backgrounds, rising.
        context_masks, negative_masks (`torch.Tensor` of shape (E or M, tokens), *optional*): True for the tokens that
            are text, where the rest is padding that nothing attends to.
        adapters ([`RegionAdapters`], *optional*): The LoRA adapters that the objects' regions name.
        images ([`RegionImages`], *optional*): The pictures that the objects' regions have.
        times (`torch.Tensor` of shape (E, steps), *optional*): Whether adapters and pictures act at each step, 1 or 0;
            without it they always do.
        separations (`torch.Tensor` of shape (steps,), *optional*): How strongly neighbours are kept apart in
            self-attention at each step, see [`memberships`]; without it that is left as it is.
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
    backgrounds: list[int] = field(default_factory=list)
    context_masks: torch.Tensor | None = None
    negative_masks: torch.Tensor | None = None
    adapters: RegionAdapters | None = None
    images: RegionImages | None = None
    times: torch.Tensor | None = None
    separations: torch.Tensor | None = None

    column: int = field(default=0, init=False)  # of the weights, at this step
    rows: int = field(default=0, init=False)  # of the batch in the layers, where frames are rows
    passes: str = field(default="conditional", init=False)  # which they are, see `Evaluation`
    step_weights: torch.Tensor | None = field(default=None, init=False)  # (E, 1); None: no control at this step
    adapting: AdapterStep | None = field(default=None, init=False, repr=False)  # None: no adapters at this step
    apart: dict[int, Separation] = field(default_factory=dict, init=False, repr=False)  # by a layer's tokens
    recomputed: bool = field(default=False, init=False)  # evaluations are, each with its own step's weights
    run: int = field(default=0, init=False)  # grows with every run, so that caches know theirs has passed
    thread: _Thread = field(default_factory=_Thread, init=False, repr=False, compare=False)
    placements: dict[int, Placement] = field(default_factory=dict, init=False, repr=False)  # by a layer's queries
    _regions: dict[int, _LayerRegions] = field(default_factory=dict, init=False, repr=False)
    _known_regions: dict = field(default_factory=dict, init=False, repr=False)

    def begin_run(self) -> None:
        """Forgets what belonged to the last run."""
        self.run += 1
        self._known_regions.clear()

    def begin_step(self, column: int, evaluation: Evaluation) -> None:
        """
        Prepares one evaluation of the denoiser. All that depends on values is done here, outside the layers, so that
        these can be compiled. Guided control rests where the rows are not [unconditional, conditional], for there is
        nothing to subtract; and what has only unconditional rows is for the objects' negative prompts.

        Args:
            column (`int`): The column of the weights.
            evaluation ([`Evaluation`]): What its rows are.
        """
        self.column, self.rows, self.passes = column, evaluation.rows, evaluation.passes
        self.weigh(None)
        weights = self._weights_at(slice(column, column + 1))
        acts = _any(weights)
        has_texts = self.passes != "unconditional" or self.negates
        blends = acts and has_texts and (self.guided_batch or self.blend == "convex")
        adapted = self._adapters_at(column)
        separation = 0.0 if self.separations is None else self.separations[column].item()
        if blends or any(adapted) or separation or self.images is not None:
            if self.guided_batch and evaluation.rows // evaluation.frames % 2:
                raise ValueError(
                    f"The denoiser runs on {evaluation.rows // evaluation.frames} rows, not on [unconditional,"
                    " conditional] halves."
                )
            self._find_regions(evaluation)
        if blends:
            self.weigh(weights.to(evaluation.like.device))
        self.adapting = self._adapting(adapted, evaluation) if any(adapted) else None
        self.apart = self._apart(separation) if separation else {}

    def weigh(self, weights: torch.Tensor | None) -> None:
        """
        Lets the objects act with these weights from now on.

        Args:
            weights (`torch.Tensor` of shape (E, 1)): Those of the step that was begun, or of an earlier one that is
                evaluated again; `None` for no control.
        """
        self.step_weights = weights
        self.placements = {}
        if weights is not None:
            regions = self._regions.items()
            self.placements = {tokens: layer.placement(weights, self.blend) for tokens, layer in regions}

    def acts_at(self, column: int) -> bool:
        """Whether any object has weight at a step."""
        return _any(self._weights_at(slice(column, column + 1)))

    def acts_from(self, column: int) -> bool:
        """Whether anything is to act at a step or after it."""
        later = self._weights_at(slice(column, None))
        return self.adapters is not None or self.images is not None or _any(later)

    @property
    def begun(self) -> tuple:
        """What `evaluate_again` has to know of the evaluation that was begun, beside its weights."""
        return self.rows, self.passes, self.adapting, self.apart

    def evaluate_again(self, begun: tuple, weights: torch.Tensor | None) -> None:
        """Prepares an evaluation of this run that was `begun` before to be made once more, in this thread."""
        self.thread.plain = False
        self.rows, self.passes, self.adapting, self.apart = begun
        self.weigh(weights)

    @property
    def object_owners(self) -> list[int]:
        """The prompt that each object belongs to."""
        return [owner for number, owner in enumerate(self.owners) if number not in self.backgrounds]

    @property
    def adapter_names(self) -> frozenset[str]:
        """The LoRA adapters that regions name."""
        return frozenset() if self.adapters is None else self.adapters.names

    def acting(self, column: int) -> list[bool]:
        """Whether the adapters and the picture of each object act at a step."""
        return [True] * len(self.owners) if self.times is None else self.times[:, column].bool().tolist()

    @property
    def guided_batch(self) -> bool:
        """Whether the rows are [unconditional, conditional]."""
        return self.passes == "both"

    @property
    def acts(self) -> bool:
        """Whether the objects or their adapters act in the evaluation that this thread is at."""
        return (self.step_weights is not None or self.adapting is not None) and not self.thread.plain

    @property
    def separates(self) -> bool:
        """Whether neighbours are kept apart in the evaluation that this thread is at."""
        return bool(self.apart) and not self.thread.plain

    @contextmanager
    def reading(self, adapters: Sequence[dict[str, float]]) -> Iterator[None]:
        """The texts whose keys and values this thread computes are under these adapters each."""
        self.thread.reading = tuple(adapters)
        try:
            yield
        finally:
            self.thread.reading = None

    @property
    def negates(self) -> bool:
        """Whether objects' own negative prompts act at this evaluation: they need the unconditional rows."""
        return self.negatives is not None and self.passes != "conditional"

    def conditional_rows(self, rows: int) -> slice:
        """
        The conditional part of a layer's batch of `rows` rows. What is before it is unconditional.

        Raises:
            ValueError: The denoiser itself was given another number.
        """
        if rows != self.rows:
            raise ValueError(
                f"A layer runs on {rows} rows of the {self.rows} that the denoiser was given: what splits or joins"
                " batches within it does not go together with regions."
            )
        return slice({"both": rows // 2, "conditional": 0, "unconditional": rows}[self.passes], rows)

    def by_picture(self, output: torch.Tensor) -> torch.Tensor:
        """The rows (rows, ...) of the denoiser's output at this evaluation, those of each picture together."""
        return output.unflatten(0, (2, -1)).transpose(0, 1) if self.guided_batch else output

    def placement(self, tokens: int) -> Placement:
        """Where the objects act in a layer with `tokens` tokens of each picture, see [`of_layer`]."""
        return of_layer(self.placements, tokens)

    def separation(self, rows: int, tokens: int) -> Separation:
        """What keeps neighbours apart in a layer with so many rows, and so many tokens of each picture."""
        self.conditional_rows(rows)
        return of_layer(self.apart, tokens)

    def _of_texts(self, weights: torch.Tensor) -> torch.Tensor:
        """The objects' weights (O, columns) as those of all local descriptions, (E, columns)."""
        if not self.backgrounds:
            return weights
        with_background, owners = {self.owners[number] for number in self.backgrounds}, self.object_owners
        parts = []
        for prompt, own in enumerate(weights.split([owners.count(n) for n in range(self.num_prompts)])):
            parts += [own, own.mean(0, keepdim=True)] if prompt in with_background else [own]
        return torch.cat(parts)

    def _weights_at(self, columns: slice) -> torch.Tensor:
        """Of all local descriptions at some steps, (E, columns), or (E, 1) if they stay the same."""
        weights = self._of_texts(self.weights[:, columns] if self.weights.shape[1] > 1 else self.weights)
        return weights if self.strengths is None else weights * self.strengths[:, columns]

    def _find_regions(self, evaluation: Evaluation) -> None:
        """The regions in layers of every size; once a run."""
        images, frames, like = evaluation.images, evaluation.frames, evaluation.like
        pictures = images // frames
        if pictures % self.num_prompts and self.num_prompts != images:
            each = f", or one for each of the {images} frames" if frames > 1 else ""
            raise ValueError(
                f"The denoiser runs on {pictures} conditional rows, which is no multiple of the {self.num_prompts}"
                f" prompts that have a layout. Pass one layout for each prompt of the batch{each}."
            )
        key = images, evaluation.grids, like.device, like.dtype, evaluation.part
        if key not in self._known_regions:
            copies = images // self.num_prompts
            self._known_regions[key] = {
                rows * columns: self._layer_regions((rows, columns), evaluation.part, copies, like)
                for rows, columns in evaluation.grids
            }
        self._regions = self._known_regions[key]

    def _adapters_at(self, column: int) -> tuple[dict[str, float], ...]:
        """The adapters that act at a step, of each object."""
        if self.adapters is None:
            return ()
        return tuple(names if acts else {} for names, acts in zip(self.adapters.strengths, self.acting(column)))

    def _adapting(self, strengths: tuple[dict[str, float], ...], evaluation: Evaluation) -> AdapterStep:
        """What adapters of so many strengths do. Where their regions overlap at a place, each has its share of it."""
        images, halves = evaluation.images, range(0, evaluation.rows, evaluation.images)
        own, copies = [number for number, names in enumerate(strengths) if names], images // self.num_prompts
        first_rows = [self.owners[number] * copies + copy for number in own for copy in range(copies)]
        acting = torch.tensor([[float(bool(names))] for names in strengths], device=evaluation.like.device)
        places, amounts = {}, {}
        for tokens, layer in self._regions.items():
            place = layer.placement(acting, "convex")
            amounts[tokens] = adapter_amounts(strengths, place.index, place.amount[..., 0], (images, tokens))
            of_each = len(own) * copies, place.index.shape[1] // copies  # objects in each of their pictures, queries
            index = torch.cat([place.index[own].reshape(of_each) + start * tokens for start in halves])
            places[tokens] = Placement(index, place.amount[own].reshape(*of_each, 1).repeat(len(halves), 1, 1))
        rows = [start + row for start in halves for row in first_rows]
        of_rows = tuple(strengths[e] for e in own for _ in range(copies)) * len(halves)
        return AdapterStep(strengths, rows, of_rows, places, amounts)

    def _apart(self, strength: float) -> dict[int, Separation]:
        """What keeps neighbours apart so strongly, in all rows alike; nothing where no object has any."""
        passes = 2 if self.guided_batch else 1
        members = {tokens: layer.members for tokens, layer in self._regions.items() if layer.members is not None}
        return {tokens: separated(part.repeat(passes, 1, 1), strength) for tokens, part in members.items()}

    def _neighbours(self) -> list[list[int]]:
        """Of each prompt the objects that have weight at any step of the run."""
        weighted = self._weights_at(slice(None)).any(dim=1).nonzero()[:, 0].tolist()
        acting = [e for e in weighted if e not in self.backgrounds]
        return [[e for e in acting if self.owners[e] == prompt] for prompt in range(self.num_prompts)]

    def _layer_regions(self, grid: tuple[int, int], part, copies: int, like: torch.Tensor) -> _LayerRegions:
        masks = self.masks(*grid) if part is None else self.masks(*grid, part)
        masks, tokens = masks.flatten(1), math.prod(grid)  # (E, tokens)
        inside = [mask.nonzero()[:, 0] for mask in masks]
        longest = max((len(pixels) for pixels in inside), default=0)
        index = torch.zeros(len(masks), copies, longest, dtype=torch.long)
        values = torch.zeros(len(masks), copies, longest)
        for e, pixels in enumerate(inside):
            first_rows = (self.owners[e] * copies + torch.arange(copies)) * tokens
            index[e, :, : len(pixels)] = first_rows[:, None] + pixels
            values[e, :, : len(pixels)] = masks[e, pixels]
        queries = self.num_prompts * copies * tokens
        members, neighbours = None, self._neighbours() if self.separations is not None else []
        if max(map(len, neighbours), default=0) > 1:
            members = memberships([masks[own] for own in neighbours]).repeat_interleave(copies, dim=0).to(like)
        return _LayerRegions(index.flatten(1).to(like.device), values.flatten(1).to(like), queries, members)


def _any(weights: torch.Tensor) -> bool:
    """Whether there are weights to act with, or to be found."""
    return weights.requires_grad or bool(weights.any())
