"""The gallery: one page that needs no other file, whatever stands in its prompts."""

import base64
import io
import sys
from html.parser import HTMLParser

import pytest
import torch
from PIL import Image, ImageChops

from spacetime_attn import SpaceTimeAttnPipeline, default_model
from spacetime_attn.examples.gallery import make


PROMPT = "a red apple to the left of a blue car"


class Page(HTMLParser):
    """The tags of a page, its words, and its pictures by their titles."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.words, self.pictures = [], "", {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "img":
            kind, _, data = dict(attributes)["src"].partition(",")
            assert kind == "data:image/png;base64"
            self.pictures[dict(attributes)["alt"]] = Image.open(io.BytesIO(base64.b64decode(data)))

    def handle_data(self, data):
        self.words += data


@pytest.fixture(scope="module")
def shipped():
    pipe = SpaceTimeAttnPipeline.from_pretrained(default_model())
    pipe.set_progress_bar_config(disable=True)
    return pipe


def same(picture: Image.Image, other: Image.Image) -> bool:
    return ImageChops.difference(picture.convert("RGB"), other).getbbox() is None


def test_a_prompt_is_shown_with_its_reading_layout_picture_and_plain_sampling_of_the_same_noise(shipped):
    page = Page(make.page(shipped, [PROMPT], steps=2, seed=3))
    options = {"num_inference_steps": 2, "generator": torch.manual_seed(3)}
    assert same(page.pictures["picture"], shipped(PROMPT, **options).images[0])
    options["generator"] = torch.manual_seed(3)
    assert same(page.pictures["without control"], shipped.stock(PROMPT, **options).images[0])
    assert not same(page.pictures["picture"], page.pictures["without control"])
    assert page.pictures["layout"].size == (256, 256)
    for words in (PROMPT, "object: a red apple", "a red apple left of a blue car", "2 steps, seed 3"):
        assert words in page.words


def test_what_stands_in_a_prompt_is_text(shipped):
    prompt = 'a red <img src=x onerror="alert(1)"> apple & a <script>alert(2)</script> "blue" car'
    page = Page(make.page(shipped, [prompt], steps=1, seed=0))
    assert prompt in page.words
    assert "script" not in page.tags and page.tags.count("img") == 3


def test_the_command_writes_one_file_of_twelve_prompts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["make.py", str(tmp_path / "new" / "folder"), "--steps", "1"])
    make.main()
    [path] = (tmp_path / "new" / "folder").iterdir()
    assert capsys.readouterr().out == f"{path}\n" and path.name == "index.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert page.tags.count("section") == 12 == len(set(make.PROMPTS)) and page.tags.count("img") == 36
    assert not {"script", "link", "iframe"} & set(page.tags)
