"""Prompts in the syntax of other tools: weights, texts of any length, and what is to be absent."""

import logging
from importlib import util

import pytest
import torch
from compel import CompelForSD, CompelForSDXL
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline, StableDiffusionXLImg2ImgPipeline
from peft import LoraConfig
from sequential_offload import offload_sequentially
from test_region_adapters import add_adapter
from test_together import load_thing
from transformer_pipelines import flux, pixart, stable_diffusion_3

from spacetime_attn import Layout, Region, SpaceTimeAttnPipeline, WeightOptimizer, spacetime_attention
from spacetime_attn.cli import main
from spacetime_attn.layout.rules import RuleLayoutPredictor
from spacetime_attn.layout.weighted_text import named_syntax
from spacetime_attn.pictures import draw_again, making_of
from spacetime_attn.processors.families import text_model_within
from spacetime_attn.processors.text_weights import weighted_encoder
from spacetime_attn.stock import predict_layout


PROMPT = "a red cat to the left of a green bus"
WEIGHTED = "a (red:1.3) cat to the left of a ((green)) bus"
LONG = "highly detailed. " * 8 + PROMPT  # a token for each letter: more than 77 before the first object
LAYOUT = Layout((Region("a red cat", box=(0, 0, 0.5, 1)),))
NONE = Layout()
ENCODING = {"device": "cpu", "num_images_per_prompt": 1, "do_classifier_free_guidance": True}


def run(pipe, prompt=WEIGHTED, **options):
    options = {"num_inference_steps": 2, "output_type": "pt", "generator": torch.manual_seed(0)} | options
    return pipe(prompt, **options)


@torch.no_grad()
def encoded(stock, prompt, syntax="a1111", **options):
    return weighted_encoder(stock, named_syntax(syntax))(prompt, **ENCODING | options)


def described(syntax: str, prompt: str) -> dict[str, str]:
    """What each phrase of a prompt is drawn as."""
    chosen = named_syntax(syntax)
    layout = chosen.described(RuleLayoutPredictor()(chosen.source(prompt)), prompt)
    return {region.phrase: region.local_text for region in layout}


# Texts


@pytest.mark.parametrize(
    "prompt, chunks",
    [
        ("a (red:1.3) cat", [[("a ", 1), ("red", 1.3), (" cat", 1)]]),
        ("((red)) [cat]", [[("red", 1.21), (" ", 1), ("cat", 1 / 1.1)]]),
        (r"saber \(fate\)", [[("saber (fate)", 1)]]),
        ("a cat BREAK a (dog:1.2)", [[("a cat", 1)], [("a ", 1), ("dog", 1.2)]]),
        ("BREAK a cat, BREAK", [[("a cat,", 1)]]),
        ("(:2)", [[("", 1)]]),
    ],
)
def test_a1111_weights_and_chunks_become_compels(prompt, chunks):
    parsed = named_syntax("a1111").parse(prompt)
    found = [[(part.text, part.weight) for part in chunk.children] for chunk in parsed.prompts]
    expected = [[pair for pair in chunk if pair[0].strip() or len(chunk) == 1] for chunk in chunks]
    assert [[text for text, _ in chunk] for chunk in found] == [[text for text, _ in chunk] for chunk in expected]
    assert [w for chunk in found for _, w in chunk] == pytest.approx([w for chunk in expected for _, w in chunk])


@pytest.mark.parametrize(
    "prompt, text",
    [
        ("a red++ cat, (on a mat)0.5.", "a red cat, on a mat."),
        ('("a cat", "a dog-").and(1, 0.5)', "a cat, a dog"),
        ('("a cat", "a dog").blend(0.7, 0.3)', "a cat"),
        ("a cat.swap(dog) here", "a cat here"),
    ],
)
def test_compels_syntax_is_taken_out_by_compel(prompt, text):
    assert named_syntax("compel").text(prompt) == text


@pytest.mark.parametrize(
    "prompt, complaint",
    [
        ('("a cat", "a dog").blend(0.7)', "compel does not understand"),
        ("a (red:1.3) cat", "a1111"),
        ("a ((red): 1.3 ) cat", "a1111"),
        ("a (red: 2.) cat", "a1111"),
        ("((((((a))))))", "brackets in 6 levels"),
    ],
)
def test_what_compel_cannot_read_is_told(prompt, complaint):
    with pytest.raises(ValueError, match=complaint):
        named_syntax("compel").parse(prompt)


@pytest.mark.parametrize(
    "syntax, prompt, descriptions",
    [
        ("a1111", WEIGHTED, {"a red cat": "a (red:1.3) cat", "a green bus": "a (green:1.21) bus"}),
        ("a1111", f"({PROMPT}:1.3)", {"a red cat": "(a red cat:1.3)", "a green bus": "(a green bus:1.3)"}),
        ("a1111", "two (red:1.3) dogs above a cat", {"a red dog": "a (red:1.3) dog", "a cat": "a cat"}),
        ("a1111", "a cat BREAK a (black:1.2) dog", {"a cat": "a cat", "a black dog": "a (black:1.2) dog"}),
        ("a1111", "a (red:1.5) car and a (red:2) bus", {"a red car": "a (red:1.5) car", "a red bus": "a (red:2) bus"}),
        ("a1111", "a man in a (red:1.3) coat", {"a man": "a man in a (red:1.3) coat"}),
        ("a1111", "a (cat:1.2)'s toy above a dog", {"a cat's toy": "a (cat's:1.2) toy", "a dog": "a dog"}),
        ("compel", "a red++ cat in (a hat)0.5", {"a red cat": "a (red)1.21 cat in (a hat)0.5"}),
    ],
)
def test_weights_within_a_phrase_stay_with_it_in_its_description(syntax, prompt, descriptions):
    assert described(syntax, prompt) == descriptions


def test_brackets_of_a_phrase_stay_brackets_in_its_description():
    chosen = named_syntax("a1111")
    layout = chosen.described(Layout((Region("saber (fate)", box=(0, 0, 1, 1)),)), r"saber \(fate\)")
    assert layout.regions[0].description == r"saber \(fate\)"
    assert chosen.text(layout.regions[0].description) == "saber (fate)"


def test_a_phrase_that_the_prompt_does_not_have_gets_no_weights():
    layout = Layout((Region("an umbrella", box=(0, 0, 1, 1)),))
    assert named_syntax("a1111").described(layout, WEIGHTED) == layout


# Encoding


@pytest.mark.parametrize("syntax", ["a1111", "compel"])
def test_a_text_without_weights_is_encoded_as_ever(pipes, syntax):
    _, stock = pipes
    for options in ({}, {"clip_skip": 1}, {"negative_prompt": "dull"}):
        with text_model_within(stock.text_encoder):
            expected = stock.encode_prompt("a red cat.", **ENCODING | options)
            found = encoded(stock, "a red cat.", syntax, **options)
        assert all(map(torch.equal, found, expected))


def test_compels_syntax_is_encoded_as_compel_does(pipes, family):
    _, stock = pipes
    prompt, negative = "a red++ cat (with a blue)0.5 hat. " * 4, "(dull)1.2"
    expected = (CompelForSDXL if family == "SDXL" else CompelForSD)(stock)(prompt, negative_prompt=negative)
    found = encoded(stock, prompt, "compel", negative_prompt=negative)
    assert torch.equal(found[0], expected.embeds) and torch.equal(found[1], expected.negative_embeds)


def test_both_syntaxes_mean_the_same(pipes):
    _, stock = pipes
    a1111, compel = encoded(stock, "a (red:1.3) cat BREAK a dog"), '("a (red)1.3 cat", "a dog").and()'
    for found, expected in zip(a1111, encoded(stock, compel, "compel")):
        torch.testing.assert_close(found, expected)


def test_a_weight_moves_its_words_away_from_the_encoding_of_an_empty_text(pipes):
    _, stock = pipes
    plain, empty, found = (encoded(stock, text)[0][0] for text in ("a cat", "", "a (cat:1.5)"))
    expected = plain.clone()
    expected[2:5] = empty[2:5] + 1.5 * (plain - empty)[2:5]  # a token for each letter, after the first one and "a"
    torch.testing.assert_close(found, expected)


def test_long_texts_are_joined_and_shorter_ones_filled_up(pipes):
    _, stock = pipes
    positive, negative, *_ = encoded(stock, [LONG, "a cat BREAK a dog"], negative_prompt="dull")
    assert positive.shape == negative.shape and positive.shape[1] == 154
    for found, texts in ((positive[1], ["a cat", "a dog"]), (negative[0], ["dull", ""])):
        parts = torch.cat([stock.encode_prompt(text, **ENCODING)[0][0] for text in texts])
        torch.testing.assert_close(found, parts)


@pytest.mark.parametrize("syntax", ["a1111", "compel"])
def test_what_is_to_be_absent_joins_the_negative_prompt(pipes, syntax):
    _, stock = pipes
    for prompt in ("a cat --no dog", "a cat\nNegative prompt: dog"):
        for given, joined in ((None, "dog"), ("dull", "dull, dog")):
            found = encoded(stock, prompt, syntax, negative_prompt=given)
            assert all(map(torch.equal, found, encoded(stock, "a cat", syntax, negative_prompt=joined)))


def test_sdxls_second_texts_and_zeros(make):
    _, stock = make("SDXL")
    assert not encoded(stock, WEIGHTED)[1].any()  # as SDXL has it without a negative prompt
    both = encoded(stock, "a (red:1.3) cat", prompt_2="a dog BREAK a bird")
    first, second = encoded(stock, "a (red:1.3) cat"), encoded(stock, "a dog BREAK a bird")
    assert torch.equal(both[0][:, :77, :32], first[0][..., :32]) and torch.equal(
        both[0][..., 32:], second[0][..., 32:]
    )
    assert torch.equal(first[2], stock.encode_prompt("a red cat", **ENCODING)[2])  # pooled: without weights


def test_negative_embeddings_of_another_length_are_refused(pipes):
    _, stock = pipes
    with pytest.raises(ValueError, match="`negative_prompt_embeds` has 77 tokens, and the prompt 154"):
        encoded(stock, "a BREAK b", negative_prompt_embeds=torch.zeros(1, 77, stock.unet.config.cross_attention_dim))


def test_textual_inversions_and_loras_act_on_weighted_texts(pipes):
    pipe, stock = pipes
    before = encoded(stock, "a (<thing>:1.2) cat")[0]
    load_thing(pipe, torch.randn, 2)
    inverted = encoded(stock, "a (<thing>:1.2) cat")[0]
    assert not torch.allclose(inverted, before)
    torch.testing.assert_close(
        encoded(stock, "a <thing> cat")[0], stock.encode_prompt("a <thing> cat", **ENCODING)[0], rtol=0, atol=0
    )
    stock.text_encoder.add_adapter(LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    for scale in (0.5, 1.0):
        with torch.no_grad():
            expected = stock.encode_prompt("a cat", lora_scale=scale, **ENCODING)[0]
        assert torch.equal(encoded(stock, "a cat", lora_scale=scale)[0], expected)


# Pictures


def test_prompt_and_descriptions_act_with_their_weights(pipes):
    pipe, _ = pipes
    output = run(pipe, prompt_syntax="a1111")
    assert [region.local_text for region in output.layouts[0]] == ["a (red:1.3) cat", "a (green:1.21) bus"]
    unweighted = run(pipe, PROMPT, layout=output.layouts[0], prompt_syntax="a1111").images
    undescribed = run(pipe, layout=output.layouts[0].without_descriptions(), prompt_syntax="a1111").images
    assert not torch.allclose(output.images, unweighted) and not torch.allclose(output.images, undescribed)


def test_without_weights_pictures_are_as_ever(pipe):
    prompt = "a red cat and a bus"
    assert torch.equal(run(pipe, prompt, prompt_syntax="a1111").images, run(pipe, prompt).images)


def test_objects_beyond_the_encoders_length_act(pipes):
    pipe, _ = pipes
    assert run(pipe, LONG).layouts[0].phrases == []
    output = run(pipe, LONG, prompt_syntax="a1111")
    assert output.layouts[0].phrases == ["a red cat", "a green bus"]
    assert not torch.allclose(output.images, run(pipe, LONG, layout=NONE, prompt_syntax="a1111").images)


def test_the_pipeline_equals_the_context_manager(pipes):
    pipe, stock = pipes
    layout = Layout((Region("a (red:1.3) cat BREAK a hat", box=(0, 0, 0.5, 1), negative_prompt="(dull:0.5)"),))
    expected = run(pipe, LONG, layout=layout, negative_prompt="[dog]", prompt_syntax="a1111").images
    plain = run(stock).images
    with spacetime_attention(stock, layout, prompt_syntax="a1111"):
        assert torch.equal(run(stock, LONG, negative_prompt="[dog]").images, expected)
    assert torch.equal(run(stock).images, plain) and "encode_prompt" not in vars(stock)


@pytest.mark.parametrize("syntax", ["a1111", "compel"])
def test_what_a_region_is_not_to_show_becomes_its_negative_prompt(pipe, stock, syntax):
    region = Region("a cat", box=(0, 0, 0.5, 1), description="a cat --no collar")
    split = Layout((Region("a cat", box=(0, 0, 0.5, 1), description="a cat", negative_prompt="collar"),))
    expected = run(pipe, PROMPT, layout=split, prompt_syntax=syntax)
    found = run(pipe, PROMPT, layout=Layout((region,)), prompt_syntax=syntax)
    assert torch.equal(found.images, expected.images) and found.layouts == [split]
    with spacetime_attention(stock, Layout((region,)), prompt_syntax=syntax):
        assert torch.equal(run(stock, PROMPT).images, expected.images)
    with pytest.raises(ValueError, match="`background` 'snow --no trees' says what is to be absent"):
        run(pipe, PROMPT, layout=Layout((region,), background="snow --no trees"), prompt_syntax=syntax)


def test_adapters_of_regions_act_beside_texts_of_other_lengths(make):
    pipe, stock = make("SDXL")
    add_adapter(stock, "one", text=True)
    regions = Region("a (cat:1.2)", box=(0, 0, 0.5, 1), adapters={"one": 0.5}), Region("a BREAK b", box=(0.5, 0, 1, 1))
    expected = run(pipe, layout=Layout(regions), prompt_syntax="a1111").images
    with spacetime_attention(stock, Layout(regions), prompt_syntax="a1111") as control:
        assert torch.equal(run(stock).images, expected)
    stock.set_adapters(["one"], [0.5])
    alone = encoded(stock, ["a photo of a (cat:1.2)", "a BREAK b"])[0]
    torch.testing.assert_close(control.contexts[0], alone[0])


def test_other_pipelines_read_it_too(pipes, family):
    _, stock = pipes
    kind = StableDiffusionXLImg2ImgPipeline if family == "SDXL" else StableDiffusionImg2ImgPipeline
    img2img = kind.from_pipe(stock)
    options = {"image": torch.rand(1, 3, 32, 32), "strength": 0.9}
    with spacetime_attention(img2img, LAYOUT, prompt_syntax="a1111"):
        weighted, plain = (run(img2img, text, **options).images for text in (WEIGHTED, PROMPT))
    assert not torch.allclose(weighted, plain)


def test_a_batch_of_several_pictures_a_prompt(pipes):
    pipe, _ = pipes
    prompts = [WEIGHTED, "a dog BREAK a ((blue)) sky"]
    noise = torch.randn(4, 4, 16, 16, generator=torch.manual_seed(1))
    both = run(pipe, prompts, latents=noise, num_images_per_prompt=2, prompt_syntax="a1111")
    alone = run(pipe, prompts[1], latents=noise[2:], num_images_per_prompt=2, prompt_syntax="a1111")
    torch.testing.assert_close(both.images[2:], alone.images, atol=1e-4, rtol=0)
    assert both.layouts[2] == alone.layouts[0]


def test_text_encoders_may_be_offloaded(make):
    pipe, _ = make("SDXL")
    expected = run(pipe, prompt_syntax="a1111").images
    offload_sequentially(pipe)
    torch.testing.assert_close(run(pipe, prompt_syntax="a1111").images, expected, atol=1e-4, rtol=0)


def test_embeddings_keep_their_way(pipe, stock):
    given = dict(zip(("prompt_embeds", "negative_prompt_embeds"), encoded(stock, LONG)))
    expected = run(pipe, LONG, layout=LAYOUT, prompt_syntax="a1111").images
    for syntax in ("plain", "a1111"):
        assert torch.equal(run(pipe, None, layout=LAYOUT, prompt_syntax=syntax, **given).images, expected)


def test_what_clip_compares_has_no_syntax(pipe, clip, monkeypatch):
    read = []
    encode = type(clip).text_features
    monkeypatch.setattr(type(clip), "text_features", lambda self, texts: read.extend(texts) or encode(self, texts))
    run(pipe, prompt_syntax="a1111", optimize_weights=WeightOptimizer(1, clip=clip, local_factor=1.0))
    assert {PROMPT, "a photo of a red cat", "a photo of a green bus"} == set(read)


# Which syntax


def test_the_pipelines_own_syntax_holds_and_is_saved(pipe, tmp_path):
    expected = run(pipe, prompt_syntax="a1111").images
    pipe.prompt_syntax = "a1111"
    assert torch.equal(run(pipe).images, expected)
    assert not torch.allclose(run(pipe, prompt_syntax="plain").images, expected)
    assert pipe.predict_layout(WEIGHTED).regions[0].description == "a (red:1.3) cat"
    pipe.save_pretrained(tmp_path)
    assert SpaceTimeAttnPipeline.from_pretrained(tmp_path).prompt_syntax == "a1111"
    assert SpaceTimeAttnPipeline.from_pipe(pipe).prompt_syntax == "a1111"
    with pytest.raises(ValueError, match="`prompt_syntax` has to be one of 'plain', 'a1111', 'compel', got 'comfy'"):
        pipe.prompt_syntax = "comfy"


def test_a_layout_for_a_stock_pipeline_has_the_weights():
    assert predict_layout(WEIGHTED, prompt_syntax="a1111").regions[1].description == "a (green:1.21) bus"


def test_a_picture_remembers_its_syntax(pipe):
    output = run(pipe, WEIGHTED + " --no dog", output_type="pil", prompt_syntax="a1111")
    pipe.prompt_syntax = "compel"
    again = draw_again(pipe, making_of(output))
    assert again.images[0].tobytes() == output.images[0].tobytes()


@pytest.mark.parametrize(
    "prompt",
    [
        WEIGHTED,
        "a cat BREAK a dog",
        "a cat with a hat++",
        "a cat --no dog",
        "a cat\nNegative prompt: dog",
        "a (cat:1.1)",
        "a [cat|dog]",
        "a cat <lora:fur:0.8>",
        '("a cat", "a dog").and()',
    ],
)
def test_one_warning_tells_of_weights_in_a_plain_prompt(pipe, stock, caplog, prompt):
    with caplog.at_level(logging.WARNING, "spacetime_attn"):
        run(pipe, prompt, layout=LAYOUT)
    with caplog.at_level(logging.WARNING, "spacetime_attn"), spacetime_attention(stock, LAYOUT):
        run(stock, prompt)
    assert [record.getMessage() for record in caplog.records if "prompt_syntax" in record.getMessage()] == [
        f"{prompt!r} is written for other tools, and the model reads all of it as plain text: pass"
        ' `prompt_syntax="a1111"` or `"compel"` for weights and what is to be absent to act.'
    ] * 2


@pytest.mark.parametrize("prompt", ["a cat (in a hat)", "a [small] dog, grade A+", "a book about C++ at 10:30"])
def test_brackets_of_plain_english_are_no_weights(pipe, caplog, prompt):
    run(pipe, prompt, layout=LAYOUT)
    assert "prompt_syntax" not in caplog.text


def test_without_compel_the_extra_is_named(pipe, monkeypatch, capsys, tmp_path):
    find = util.find_spec
    monkeypatch.setattr(
        "spacetime_attn.layout.weighted_text.find_spec", lambda name: None if name == "compel" else find(name)
    )
    with pytest.raises(ImportError, match=r'needs compel.*pip install "spacetime_attn\[prompts\]"'):
        run(pipe, prompt_syntax="a1111")
    assert main(["generate", WEIGHTED, "-o", str(tmp_path / "a.png"), "--prompt-syntax", "a1111"]) == 2
    assert "spacetime_attn[prompts]" in capsys.readouterr().err


@pytest.mark.parametrize("make", [stable_diffusion_3, flux, pixart])
def test_families_with_transformers_refuse_it_by_name(make):
    transformer = make()
    name = type(transformer).__name__
    with (
        pytest.raises(ValueError, match=f"`prompt_syntax` is for Stable Diffusion .*, and {name} has other"),
        spacetime_attention(transformer, LAYOUT, prompt_syntax="a1111"),
    ):
        pass


def test_other_text_encoders_are_refused(stock: StableDiffusionPipeline):
    stock.text_encoder = torch.nn.Identity()
    with pytest.raises(ValueError, match="`prompt_syntax` is for the text encoders of CLIP, .* has a Identity"):
        weighted_encoder(stock, named_syntax("a1111"))


# The command


def test_the_command_reads_weights(tmp_path, capsys):
    fast = ["--steps", "2", "--prompt-syntax", "a1111"]
    prompt = "a (red:1.3) apple to the left of a blue car --no dog"
    assert main(["generate", prompt, "-o", str(tmp_path / "a.png"), *fast]) == 0
    assert main(["generate", "--like", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png")]) == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    capsys.readouterr()
    assert main(["layout", prompt, "--prompt-syntax", "a1111"]) == 0
    assert "a red apple is described as 'a (red:1.3) apple'" in capsys.readouterr().out
