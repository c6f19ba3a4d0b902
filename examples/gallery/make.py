"""
Makes a page of twelve prompts, drawn by the checkpoint that ships: what is read in each of them, where it is placed,
the picture, and beside it what the same checkpoint draws from the same noise without control.

    python examples/gallery/make.py FOLDER

Each prompt is drawn once, and none was chosen by its picture.
"""

import argparse
import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm

from spacetime_attn import Layout, SpaceTimeAttnPipeline, default_model, draw_layout
from spacetime_attn.layout.language import read_prompt


PROMPTS = (
    "a red apple to the left of a blue car",
    "a yellow bird above a green bus",
    "A pink cake is to the right of a black clock, and a green vase is below the clock.",
    "three red apples in a row, a yellow banana below them",
    "a blue umbrella in the top left corner, a yellow boat in the bottom right corner",
    "a cat between a red chair and a blue vase",
    "from left to right: a cup, a donut and a pizza",
    "Top: a black airplane. Bottom: a red boat.",
    "On the left there is a pink elephant; a small yellow bird is above it, a green horse to its right.",
    "a photo of a red bus, two black cats to the left of it, no people",
    "(a blue dog:1.2) below a red umbrella, highly detailed, octane render",
    "a green car, a pink bird above it, a yellow sheep to the right of the car and a blue cup above the sheep",
)
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
section { border-top: 1px solid #ccc; padding: 1rem 0 }
.row { display: flex; flex-wrap: wrap; gap: 1rem }
.row > * { flex: 1 1 14rem; margin: 0 }
img { width: 100% }
ul { list-style: none; padding: 0 }
"""


def main() -> None:
    """Writes `index.html`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for index.html, which needs no other file")
    parser.add_argument("--steps", type=int, default=25, metavar="N", help="sampling steps (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise of all pictures (default: %(default)s)")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    pipe = SpaceTimeAttnPipeline.from_pretrained(default_model())
    pipe.set_progress_bar_config(disable=True)
    path = options.folder / "index.html"
    path.write_text(page(pipe, PROMPTS, options.steps, options.seed), encoding="utf-8")
    print(path)


def page(pipe: SpaceTimeAttnPipeline, prompts: Sequence[str], steps: int, seed: int) -> str:
    """The whole page as HTML, pictures included."""
    sections = "\n".join(section(pipe, prompt, steps, seed) for prompt in tqdm(prompts))
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>spacetime_attn: gallery</title><style>{STYLE}</style></head>
<body>
<h1>Gallery</h1>
<p>{len(prompts)} prompts, {steps} steps, seed {seed}. Solid boxes are predicted, dashed ones act.</p>
{sections}
</body>
</html>
"""


def section(pipe: SpaceTimeAttnPipeline, prompt: str, steps: int, seed: int) -> str:
    """One prompt: reading, layout, picture, and the stock pipeline's picture."""
    drawn = pipe(prompt, num_inference_steps=steps, generator=torch.manual_seed(seed))
    plain = pipe.stock(prompt, num_inference_steps=steps, generator=torch.manual_seed(seed))
    [acting] = drawn.layouts
    layout = draw_layout(acting.with_scaled_boxes(1 / pipe.defaults.box_scale), width=256, acting=acting)
    pictures = {"layout": layout, "picture": drawn.images[0], "without control": plain.images[0]}
    figures = "".join(figure(title, picture) for title, picture in pictures.items())
    return (
        f'<section><h2>{escape(prompt)}</h2><div class="row">{reading_list(prompt, acting)}{figures}</div></section>'
    )


def reading_list(prompt: str, layout: Layout) -> str:
    """What is read in the prompt, and how its things are to stand."""
    entities = [f"{entity.kind}: {entity.phrase}" for entity in read_prompt(prompt).entities]
    told = entities + [layout.describe(relation) for relation in layout.relations]
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in told) + "</ul>"


def figure(title: str, picture: Image.Image) -> str:
    """A picture with its title, as HTML that holds it."""
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<figure><img alt="{title}" src="data:image/png;base64,{data}"><figcaption>{title}</figcaption></figure>'


if __name__ == "__main__":
    main()
