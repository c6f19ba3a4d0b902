"""Blocks for diffusers' modular pipelines: a layout from a prompt, and denoising steps under control."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from diffusers.modular_pipelines import (
    ComponentSpec,
    ConfigSpec,
    InputParam,
    InsertableDict,
    LoopSequentialPipelineBlocks,
    ModularPipeline,
    ModularPipelineBlocks,
    OutputParam,
    PipelineState,
    SequentialPipelineBlocks,
)

from .layout.regions import Layout
from .processors.checks import check_choice, check_count
from .processors.control import RegionalControl
from .processors.defaults import Defaults, chosen_defaults
from .processors.denoiser import check_takes
from .processors.drawn import filled_part
from .processors.local_texts import check_negatives, checked_template, regional_control
from .processors.modular import MODULAR_DENOISERS
from .processors.patch import regional_attention
from .processors.steps import evaluation_columns
from .processors.weights import batch_weights, read_weights
from .stock import can_act, predict_layout


class LayoutStep(ModularPipelineBlocks):
    """A prompt's layout. It needs no model of images, and keeps a layout that is given."""

    @property
    def description(self) -> str:
        """What diffusers shows of the block."""
        return "Reads the prompt's objects and their relations, and places them: a layout for each prompt."

    @property
    def inputs(self) -> list[InputParam]:
        """See [`predict_layout`]."""
        return [
            InputParam("prompt", type_hint=str | list[str], description="The text, or a list of texts."),
            InputParam("layout", description="A layout, a dict or a path, or a list of these, to be used as it is."),
            InputParam("height", type_hint=int, description="The picture's, in pixels."),
            InputParam("width", type_hint=int, description="The picture's, in pixels."),
            InputParam("objects", type_hint=list[str], description="A single prompt's words for its objects."),
            InputParam(
                "layout_predictor",
                type_hint=str | Callable[..., Layout],
                default="transformer",
                description="`transformer`, `rules`, `llm`, `auto` or a function.",
            ),
            InputParam("llm", description="Of `llm` and `auto`: an id, a function or an `LLMLayoutPredictor`."),
            InputParam("generator", description="Of predictors that draw layouts."),
            InputParam("preset", type_hint=str, description="`official` or `early`."),
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        """The layout."""
        return [OutputParam("layout", type_hint=Layout | list[Layout], description="As many as prompts.")]

    @torch.no_grad()
    def __call__(self, components: ModularPipeline, state: PipelineState) -> tuple[ModularPipeline, PipelineState]:
        """
        Raises:
            ValueError, TypeError: Inputs that make no sense.
        """
        given = self.get_block_state(state)
        single = isinstance(given.prompt, str)
        if given.objects is not None and (not single or given.layout is not None):
            raise ValueError("`objects` goes with a single `prompt` and without `layout`.")
        if given.layout is not None:
            given.layout = _coerced(given.layout)
        elif single:
            given.layout = self._predicted(components, given.prompt, given)
        elif given.prompt is not None:
            if not isinstance(given.prompt, (list, tuple)):
                raise TypeError(f"`prompt` has to be a string or a list of strings, got {given.prompt!r}.")
            given.layout = [self._predicted(components, prompt, given) for prompt in given.prompt]
        self.set_block_state(state, given)
        return components, state

    def _predicted(self, components: ModularPipeline, prompt: str, given) -> Layout:
        return predict_layout(
            prompt,
            given.height or getattr(components, "default_height", 1024),
            given.width or getattr(components, "default_width", 1024),
            given.objects,
            given.preset or "early",
            given.generator,
            given.layout_predictor,
            llm=given.llm,
        )


class ControlledDenoiseStep(LoopSequentialPipelineBlocks):
    """
    One of diffusers' denoising steps under control, to be put in its place. Control is convex, for these steps
    evaluate one condition at a time: descriptions of regions act where the prompt is evaluated, their negative prompts
    where the negative prompt is. Without regions or weights it is the step itself, bit for bit, and needs no more.

    Args:
        denoise (`LoopSequentialPipelineBlocks`): The step, of Stable Diffusion XL, 3 or FLUX.1: for text to image, or
            any other, such as for inpainting.

    Raises:
        TypeError, ValueError: It is no denoising step, or of another family.
    """

    def __init__(self, denoise: LoopSequentialPipelineBlocks):
        if not isinstance(denoise, LoopSequentialPipelineBlocks):
            raise TypeError(f"`denoise` has to be one of diffusers' denoising steps, got {type(denoise).__name__}.")
        check_choice("denoise.model_name", denoise.model_name, tuple(MODULAR_DENOISERS))
        self.denoise = denoise
        self._denoiser = MODULAR_DENOISERS[denoise.model_name]
        self._text_step = self._denoiser.text_step()

    @property
    def model_name(self) -> str:
        """The step's."""
        return self.denoise.model_name

    @property
    def sub_blocks(self) -> InsertableDict:
        """The step's: what is changed here is changed there."""
        return self.denoise.sub_blocks

    @property
    def description(self) -> str:
        """What diffusers shows of the block."""
        return f"{type(self.denoise).__name__} under control: each object of `layout` is drawn in its region."

    @property
    def expected_components(self) -> list[ComponentSpec]:
        """The step's, and those that encode local descriptions."""
        return _united(self.denoise.expected_components, self._text_step.expected_components)

    @property
    def expected_configs(self) -> list[ConfigSpec]:
        """As the components."""
        return _united(self.denoise.expected_configs, self._text_step.expected_configs)

    @property
    def inputs(self) -> list[InputParam]:
        """The step's, how texts are encoded, and those of [`spacetime_attention`]."""
        own = [
            InputParam("layout", description="A layout, a dict or a path; for several prompts a list of these."),
            InputParam("weights", description="Convex combination weights, in 0..1: a number, a matrix or a file."),
            InputParam(
                "local_prompt_template",
                type_hint=str,
                default="a photo of {}",
                description="Makes the local description of a phrase, which replaces the {}.",
            ),
            InputParam("preset", type_hint=str, description="`official` or `early`."),
        ]
        if "max_sequence_length" in self._text_step.input_names:
            length = "How many tokens T5 makes of each local description."
            own.append(InputParam("local_max_sequence_length", type_hint=int, description=length))
        known = set(self.denoise.input_names)
        return self.denoise.inputs + [param for param in self._text_inputs + own if param.name not in known]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        """The step's."""
        return self.denoise.intermediate_outputs

    def set_progress_bar_config(self, **kwargs) -> None:
        """The step's."""
        self.denoise.set_progress_bar_config(**kwargs)

    @torch.no_grad()
    def __call__(self, components: ModularPipeline, state: PipelineState) -> tuple[ModularPipeline, PipelineState]:
        """
        Raises:
            ValueError, TypeError: Inputs that make no sense, or a run that cannot be controlled.
        """
        layout = state.get("layout")
        layouts = [] if layout is None else _coerced(layout)
        layouts = layouts if isinstance(layouts, list) else [layouts]
        if not any(item.regions for item in layouts):
            return self.denoise(components, state)
        defaults = chosen_defaults(state.get("preset"), components.config, self._denoiser.preset)
        weights = read_weights(state.get("weights"))
        matrices = _matrices(weights, layouts, components.scheduler, defaults)
        if not can_act(layouts, weights, matrices):
            return self.denoise(components, state)
        with self._control(components, state, layouts, matrices, defaults):
            return self.denoise(components, state)

    @property
    def _text_inputs(self) -> list[InputParam]:
        """How texts are encoded, beside the texts."""
        return [param for param in self._text_step.inputs if "prompt" not in param.name]

    def _control(
        self,
        components: ModularPipeline,
        state: PipelineState,
        layouts: list[Layout],
        matrices: list[torch.Tensor],
        defaults: Defaults,
    ) -> AbstractContextManager[RegionalControl]:
        given = self.get_block_state(state)
        template, length = checked_template(given.local_prompt_template), given["local_max_sequence_length"]
        if length is not None:
            check_count("local_max_sequence_length", length)
        denoiser = self._denoiser(components, state)
        check_negatives(layouts, denoiser.guided, denoiser.guided_by)
        check_takes(denoiser, layouts)
        if crop := state.get("crops_coords"):  # of inpainting
            part = filled_part(crop, state.get("mask_image").size, state.get("width") / state.get("height"))
            seen = [[region.cropped(part) is not None for region in item.regions] for item in layouts]
            layouts = [item.cropped(part) for item in layouts]
            matrices = [matrix[rows] for matrix, rows in zip(matrices, seen)]
        control = regional_control(
            denoiser,
            layouts,
            matrices,
            "convex",
            template,
            defaults,
            {param.name: given[param.name] for param in self._text_inputs},
            length,
        )
        return regional_attention(denoiser, control)


class SpaceTimeBlocks(SequentialPipelineBlocks):
    """
    The blocks of this project: `layout`, and `denoise` where a family is named.

    Args:
        model_name (`str`, *optional*): As diffusers' blocks call the family: `"stable-diffusion-xl"`,
            `"stable-diffusion-3"` or `"flux"`.

    Raises:
        ValueError: Another family.
    """

    def __init__(self, model_name: str | None = None):
        super().__init__()
        self.sub_blocks["layout"] = LayoutStep()
        if model_name is not None:
            check_choice("model_name", model_name, tuple(MODULAR_DENOISERS))
            self.sub_blocks["denoise"] = ControlledDenoiseStep(MODULAR_DENOISERS[model_name].denoise_step())

    @property
    def description(self) -> str:
        """What diffusers shows of the blocks."""
        return "Places the objects of a prompt, and draws each of them in its place."


def _coerced(layout: Any) -> Layout | list[Layout]:
    return [Layout.coerce(item) for item in layout] if isinstance(layout, (list, tuple)) else Layout.coerce(layout)


def _united(first: list, second: list) -> list:
    return first + [item for item in second if item not in first]


def _matrices(weights: Any, layouts: list[Layout], scheduler, defaults: Defaults) -> list[torch.Tensor]:
    """The weights of each layout, with a column for each step of the scheduler's whole schedule."""
    columns = evaluation_columns(scheduler)
    first = columns[getattr(scheduler, "begin_index", None) or 0]
    phrases, options = [item.phrases for item in layouts], defaults.weights("convex")
    return batch_weights(weights, phrases, columns[-1] + 1, "convex", first=first, **options)
