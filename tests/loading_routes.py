"""
Loads the pipeline in the ways that go through diffusers, in a process in which the project cannot be imported.

Run by test_loading.py as `python -I loading_routes.py` with one JSON object on standard input; answers with another.
"""

import contextlib
import hashlib
import json
import os
import sys
import warnings
from pathlib import Path
from unittest import mock


class Without:
    """An import finder that does not know the project, installed or not."""

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *args):
        return None if name.partition(".")[0] == "spacetime_attn" else self.finder.find_spec(name, *args)

    def find_distributions(self, *args):
        find = getattr(self.finder, "find_distributions", lambda *args: ())
        return (found for found in find(*args) if found.name != "spacetime_attn")

    def __getattr__(self, name):
        return getattr(self.finder, name)


def main(given: dict) -> dict:
    from fake_hub import FakeHub

    repos = {name: given["exported"] for name in ("user/spacetime_attn", "user/other")}
    repos |= {"user/empty": given["empty"], "datasets/diffusers/community-pipelines-mirror": given["mirror"]}
    with FakeHub(repos) as hub:
        os.environ["HF_ENDPOINT"] = hub.url
        import diffusers
        from diffusers.utils import dynamic_modules_utils

        # diffusers asks PyPI which releases there are
        dynamic_modules_utils.get_diffusers_versions = lambda: [diffusers.__version__]
        answer = {
            "importable": importable(),
            "file": attempt(picture, given, given["file"]),
            "saved": attempt(picture, given | {"checkpoint": given["saved"]}, given["file"]),
            "folder": attempt(picture, given, "spacetime_attn"),
            "folder layout": attempt(phrases, given, "spacetime_attn"),
            "hub": attempt(picture, given, "user/spacetime_attn"),
            "hub downloads": hub.downloads(),
            "hub again": attempt(picture, given, "user/spacetime_attn"),
            "hub again downloads": hub.downloads(),
            "hub without it": attempt(picture, given, "user/empty"),
            "hub unknown": attempt(picture, given, "user/nobody"),
            "hub layout": attempt(phrases, given, "user/spacetime_attn"),
            "hub layout downloads": hub.downloads(),
            "hub layout again": attempt(phrases, given, "user/spacetime_attn"),
            "hub layout again downloads": hub.downloads(),
        }
        Path("spacetime_attn").rename("elsewhere")
        answer["mirror"] = attempt(picture, given, "spacetime_attn")
    answer["offline layout"] = attempt(phrases, given, given["exported"])
    with mock.patch("time.sleep"):  # between the tries
        answer["dead hub"] = attempt(picture, given, "user/other")
    return answer


def importable() -> bool:
    with contextlib.suppress(ImportError):
        import spacetime_attn  # noqa: F401

        return True
    return False


def load(given: dict, custom_pipeline: str):
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(
        given["checkpoint"], custom_pipeline=custom_pipeline, trust_remote_code=True
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def picture(given: dict, custom_pipeline: str) -> list[str]:
    """The module that the class is from, and the digest of the picture."""
    import torch

    torch.set_num_threads(given["threads"])
    pipe = load(given, custom_pipeline)
    image = pipe(**given["call"], generator=torch.manual_seed(0)).images[0]
    return [type(pipe).__module__, hashlib.sha1(image.tobytes()).hexdigest()]


def phrases(given: dict, custom_pipeline: str) -> list:
    """The phrases found in a prompt, the warnings on the way, and what the language model consists of."""
    pipe = load(given, custom_pipeline)
    pipe.layout_predictor = "transformer"
    module = sys.modules[type(pipe).__module__]
    module._shipped_language.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        found = pipe.predict_layout("a cat above a green bus").phrases
    return [found, [str(warning.message) for warning in caught], module.load_language().pipe_names]


def attempt(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
    sys.path.insert(0, str(Path(__file__).parent))
    answer = main(json.load(sys.stdin))
    print("\n" + json.dumps(answer))
