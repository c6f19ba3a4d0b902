"""
Makes the pictures of README.md: each prompt's picture beside its layout, on the checkpoint that ships. Dashed are the
boxes that act, which are smaller than the predicted ones.

    python examples/readme_pictures.py
"""

import argparse
from pathlib import Path


FOLDER = Path(__file__).parent / "pictures"
SIDE = 256  # pixels
PROMPTS = {  # name: prompt, seed
    "apple": ("a red apple to the left of a blue car", 0),
    "bird": ("a yellow bird above a green bus", 0),
    "cake": ("a pink cake to the left of a black clock, with a yellow bird above the clock", 0),
}


def main():
    """Writes a file for each prompt."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    import torch
    from PIL import Image

    from spacetime_attn import SpaceTimeAttnPipeline, default_model, draw_layout
    from spacetime_attn.layout.draw import side_by_side

    pipe = SpaceTimeAttnPipeline.from_pretrained(default_model())
    FOLDER.mkdir(exist_ok=True)
    for name, (prompt, seed) in PROMPTS.items():
        output = pipe(prompt, generator=torch.Generator().manual_seed(seed))
        picture = output.images[0].resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        acting = output.layouts[0]
        predicted = acting.with_scaled_boxes(1 / pipe.defaults.box_scale)
        both = side_by_side(picture, draw_layout(predicted, width=SIDE, acting=acting))
        both.quantize(128).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
