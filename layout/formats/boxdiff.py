"""BoxDiff, as diffusers' community pipeline `pipeline_stable_diffusion_boxdiff` (August 2026)."""

import re

from ..noun_phrases import head_and_modifiers
from ..regions import Layout
from ..words import singular
from .common import PROMPT, Canvas, Exported, Format, Pictures, boxed, logger, whole_prompt


def write(layout: Layout, canvas: Canvas) -> Exported:
    """Arguments of a call: boxes as in GLIGEN; each phrase is one token of the prompt, the first that reads so."""
    prompt = whole_prompt(layout)
    told = [_noun_in(prompt, region.phrase) for region in layout.regions]
    for number, (region, word) in enumerate(zip(layout.regions, told)):
        if word is None or word in told[:number]:
            logger.warning(
                "BoxDiff finds objects by single words: %r has none of its own in the prompt, and is left out.",
                region.phrase,
            )
            told[number] = None
    kept = [(word, list(region.bounds)) for word, region in zip(told, layout.regions) if word]
    words, boxes = ([pair[part] for pair in kept] for part in (0, 1))
    return Exported({"prompt": prompt, "boxdiff_phrases": words, "boxdiff_boxes": boxes})


def read(data: dict, pictures: Pictures) -> Layout:
    return boxed(data.get("prompt", ""), data["boxdiff_phrases"], data["boxdiff_boxes"])


def _noun_in(prompt: str, phrase: str) -> str | None:
    """The prompt's word for a thing: its noun, or that one's plural."""
    noun = head_and_modifiers(phrase)[0]
    return next((word for word in re.findall(r"[\w'-]+", prompt.lower()) if noun in (word, singular(word))), None)


FORMAT = Format(write, read, {PROMPT})
