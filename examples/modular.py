"""
Writes the folder of a Hub repository with blocks for diffusers' modular pipelines. Its `block.py` imports them from
the installed project, so that there is one copy of the code.
"""

import json
from pathlib import Path

from diffusers import __version__ as diffusers_version

from spacetime_attn import __version__
from spacetime_attn.modular import SpaceTimeBlocks

from .export import check_folder


MARK = "Made by `spacetime-attn export --modular`."
REQUIREMENTS = {"spacetime_attn": f">={__version__}", "diffusers": ">=0.42"}
BLOCK = f'''"""
Blocks for diffusers' modular pipelines, from the installed package spacetime_attn.

{MARK}
"""

from spacetime_attn.modular import {SpaceTimeBlocks.__name__}  # noqa: F401
'''
README = """\
---
license: apache-2.0
library_name: diffusers
tags:
- modular-diffusers
- text-to-image
---

# spacetime_attn for Modular Diffusers

Blocks for diffusers' modular pipelines: `layout` reads a prompt and places its objects, without any model of
images; `denoise` draws each object in its place, with Stable Diffusion XL, 3 and 3.5, and FLUX.1.

Install `spacetime_attn` from its repository, and what else stands in `requirements.txt`. All of this has been shown on
tiny random models; nothing was measured on large ones.

A layout from a prompt:

```python
from diffusers import ModularPipeline

planner = ModularPipeline.from_pretrained("{name}", trust_remote_code=True)
print(planner(prompt="a red apple to the left of a blue car", output="layout"))
```

A picture. `model_name` is `"stable-diffusion-xl"`, `"stable-diffusion-3"` or `"flux"`:

```python
from diffusers import ModularPipelineBlocks, StableDiffusionXLAutoBlocks

name, family = "{name}", "stable-diffusion-xl"
spacetime = ModularPipelineBlocks.from_pretrained(name, trust_remote_code=True, model_name=family)
blocks = StableDiffusionXLAutoBlocks().get_workflow("text2image")
blocks.sub_blocks.insert("layout", spacetime.sub_blocks["layout"], 0)
blocks.sub_blocks["denoise.denoise"] = spacetime.sub_blocks["denoise"]
pipe = blocks.init_pipeline("stabilityai/stable-diffusion-xl-base-1.0")
pipe.load_components()
state = pipe(prompt="a red apple to the left of a blue car")
state.get("images")[0].save("apple.png")
print(state.get("layout"))
```
"""


def export_modular(folder: str | Path, repo: str | None = None) -> list[Path]:
    """
    Writes `block.py`, `modular_config.json`, `modular_model_index.json`, `requirements.txt` and `README.md`.

    Args:
        folder: A new or empty folder, or one that an earlier export wrote, a clone of its repository too.
        repo: `"user/name"` of the Hub repository that will hold the folder, as the README names it.

    Returns:
        The files that were written.

    Raises:
        ValueError: The folder holds other files.
    """
    folder, kind = Path(folder), SpaceTimeBlocks.__name__
    made = {"_diffusers_version": diffusers_version}
    config = {"_class_name": kind, **made, "auto_map": {"ModularPipelineBlocks": f"block.{kind}"}}
    contents = {
        "block.py": BLOCK,
        "modular_config.json": _json({**config, "requirements": REQUIREMENTS}),
        "modular_model_index.json": _json({"_class_name": "ModularPipeline", **made, "_blocks_class_name": kind}),
        "requirements.txt": "".join(f"{name}{version}\n" for name, version in REQUIREMENTS.items()),
        "README.md": README.format(name=repo or f"user/{folder.name}"),
    }
    check_folder(folder, contents.keys(), "block.py", MARK)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in contents]


def _json(data: dict) -> str:
    return json.dumps(data, indent=2) + "\n"
