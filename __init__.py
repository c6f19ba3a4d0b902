"""
Diffusion pipelines that put the objects of a prompt where the prompt says they are.

Everything is imported on first use, so that `import spacetime_attn` costs nothing.
"""

from importlib import import_module
from pathlib import Path


__version__ = "0.3.0"

_HOMES = {
    "SpaceTimeAttnPipeline": "pipeline_spacetime_attn",
    "spacetime_attention": "stock",
    "predict_layout": "stock",
    "ControlledPipeline": "controlled",
    "WeightOptimizer": "processors.optimizer",
    "Layout": "layout.regions",
    "Region": "layout.regions",
    "Relation": "layout.regions",
    "RuleLayoutPredictor": "layout.rules",
    "TransformerLayoutPredictor": "layout.learned",
    "LLMLayoutPredictor": "layout.llm",
    "AutoLayoutPredictor": "layout.auto",
    "LayoutTransformer": "layout.transformer",
    "draw_layout": "layout.draw",
    "interpolated_layouts": "layout.key_frames",
    "export_layout": "layout.formats",
    "import_layout": "layout.formats",
    "load_weights": "processors.weights",
    "save_weights": "processors.weight_files",
    "save_picture": "pictures",
    "read_picture": "pictures",
    "draw_again": "pictures",
    "upscale": "upscaling",
}

__all__ = ["default_model", *_HOMES]


def default_model() -> str:
    """Path of the checkpoint that ships with the project; any `from_pretrained` of diffusers takes it."""
    return str(Path(__file__).parent / "examples" / "icon_world" / "checkpoint")


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | _HOMES.keys())
