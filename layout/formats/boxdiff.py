"""BoxDiff, as diffusers' community pipeline `pipeline_stable_diffusion_boxdiff` (August 2026)."""

import re

from ..regions import Layout
from ..words import head_and_modifiers, singular
from .common import PROMPT, Canvas, Exported, Format, Pictures, boxed, logger, whole_prompt


_LETTERS = r"[^\W\d_]+"


def write(layout: Layout, canvas: Canvas) -> Exported:
    """
    Arguments of a call: boxes as in GLIGEN; each phrase is one token of the prompt, the first that reads so. CLIP
    parts words at all that is no letter.
    """
    prompt = whole_prompt(layout)
    told = [_token_in(prompt.lower(), region.phrase) for region in layout.regions]
    for number, (region, word) in enumerate(zip(layout.regions, told)):
        if word is None or word in told[:number]:
            logger.warning(
                "BoxDiff finds objects by single tokens: %r has none of its own in the prompt, and is left out.",
                region.phrase,
            )
            told[number] = None
    kept = [(word, list(region.bounds)) for word, region in zip(told, layout.regions) if word]
    words, boxes = ([pair[part] for pair in kept] for part in (0, 1))
    return Exported({"prompt": prompt, "boxdiff_phrases": words, "boxdiff_boxes": boxes})


def read(data: dict, pictures: Pictures) -> Layout:
    return boxed(data.get("prompt", ""), data["boxdiff_phrases"], data["boxdiff_boxes"])


def _token_in(prompt: str, phrase: str) -> str | None:
    """The last part of the prompt's word for a thing (its noun, or that one's plural), if none reads so before it."""
    noun = head_and_modifiers(phrase)[0]
    parts = list(re.finditer(_LETTERS, prompt))
    for word in re.finditer(r"[\w'-]+", prompt):
        own = [part for part in parts if word.start() <= part.start() < word.end()]
        if own and noun in (word[0], singular(word[0])):
            first = next(part for part in parts if part[0] == own[-1][0])
            return first[0] if first is own[-1] else None
    return None


FORMAT = Format(write, read, {PROMPT})
