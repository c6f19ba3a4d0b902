"""What a diffusers user expects of the pipeline, on tiny random models."""

import inspect
import io
import logging

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionAttendAndExcitePipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
)
from diffusers.callbacks import IPAdapterScaleCutoffCallback, SDCFGCutoffCallback
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from diffusers.models.embeddings import ImageProjection, MultiIPAdapterImageProjection
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from peft import LoraConfig
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor

from spacetime_attn import (
    Layout,
    Region,
    Relation,
    SpaceTimeAttnPipeline,
    WeightOptimizer,
    spacetime_attention,
)
from spacetime_attn.layout.draw import picture_rows
from spacetime_attn.processors.attention import RegionalAttnProcessor
from spacetime_attn.processors.control import RegionalControl
from spacetime_attn.processors.weight_files import save_weights


PROMPT = "a red cat to the left of a green bus"
LAYOUT = Layout(
    (Region("a red cat", box=(0, 0.2, 0.5, 0.8)), Region("a green bus", disc=(0.75, 0.5, 0.2))),
    (Relation(0, "left of", 1),),
)
ONE = Layout((Region("a bird", box=(0.2, 0.2, 0.7, 0.7)),))
NONE = Layout()


def run(pipe, prompt=PROMPT, seed=0, **options):
    pipe.set_progress_bar_config(**{"disable": True} | getattr(pipe, "_progress_bar_config", {}))
    options = {"num_inference_steps": 3, "output_type": "pt", "generator": torch.manual_seed(seed)} | options
    return pipe(prompt, **options)


def same_processors(unet, before) -> bool:
    after = unet.attn_processors
    return after.keys() == before.keys() and all(after[name] is before[name] for name in before)


# Off is exactly off


@pytest.mark.parametrize(
    "options",
    [{"layout": NONE}, {"layout": LAYOUT, "weights": 0}, {"layout": LAYOUT, "weights": 0.0, "blend": "convex"}],
    ids=["no objects", "zero weights", "zero convex weights"],
)
def test_without_control_the_result_is_the_stock_pipelines_bit_for_bit(pipe, stock, options):
    assert torch.equal(run(pipe, **options).images, run(stock).images)


def test_a_controlled_call_leaves_no_trace(pipe, stock):
    before = pipe.unet.attn_processors
    controlled = run(pipe, layout=LAYOUT).images
    assert same_processors(pipe.unet, before) and not pipe.unet._forward_pre_hooks
    plain = run(pipe, layout=NONE).images
    assert torch.equal(plain, run(stock).images) and not torch.allclose(plain, controlled)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_also_a_call_that_was_interrupted_leaves_no_trace(pipe, error):
    before = pipe.unet.attn_processors

    def fail(*_):
        raise error

    with pytest.raises(error):
        run(pipe, layout=LAYOUT, callback_on_step_end=fail)
    assert same_processors(pipe.unet, before) and not pipe.unet._forward_pre_hooks
    assert not hasattr(pipe.text_encoder, "text_model")


# Results


def test_the_output_tells_layouts_and_weights(pipe):
    output = run(pipe, layout=LAYOUT)
    assert output.images.shape == (1, 3, 32, 32) and output.nsfw_content_detected is None
    assert [region.phrase for region in output.layouts[0].regions] == ["a red cat", "a green bus"]
    assert torch.equal(output.weights, torch.full((1, 2, 3), 2.5))  # the official 5/N


def test_a_notebook_shows_pictures_beside_their_layouts(pipe):
    output = run(pipe, layout=LAYOUT, num_images_per_prompt=2, output_type="pil")
    with Image.open(io.BytesIO(output._repr_png_())) as shown:
        assert shown.tobytes() == picture_rows(output.images, output.layouts).tobytes()
    assert run(pipe, layout=LAYOUT)._repr_png_() is None  # tensors are printed


def test_the_same_seed_gives_the_same_picture(pipe):
    assert torch.equal(run(pipe, layout=LAYOUT).images, run(pipe, layout=LAYOUT).images)


def test_a_layout_may_be_a_dict_or_a_file(pipe, tmp_path):
    LAYOUT.save(tmp_path / "layout.json")
    expected = run(pipe, layout=LAYOUT).images
    assert torch.equal(run(pipe, layout=LAYOUT.to_dict()).images, expected)
    assert torch.equal(run(pipe, layout=str(tmp_path / "layout.json")).images, expected)


def test_moving_a_region_moves_the_change(pipe):
    plain = run(pipe, layout=NONE, output_type="latent", num_inference_steps=1).images
    for box in ((0, 0, 0.4, 1), (0.6, 0, 1, 1)):
        layout = Layout((Region("a cat", box=box),))
        change = run(pipe, layout=layout, output_type="latent", num_inference_steps=1).images - plain
        columns = change.abs().mean(dim=(0, 1, 2))
        assert (columns[:6].mean() > columns[10:].mean()) == (box[0] == 0)


def test_the_template_makes_the_local_description(pipe):
    default = run(pipe, layout=LAYOUT).images
    assert torch.equal(run(pipe, layout=LAYOUT, local_prompt_template="a photo of {}").images, default)
    assert not torch.allclose(run(pipe, layout=LAYOUT, local_prompt_template="{}").images, default)


def test_the_description_of_a_region_takes_the_place_of_its_phrase(pipe):
    described = Layout((Region("a bird", box=ONE.regions[0].box, description="a bird with red wings"),))
    renamed = Layout((Region("a bird with red wings", box=ONE.regions[0].box),))
    assert torch.equal(run(pipe, layout=described).images, run(pipe, layout=renamed).images)
    assert not torch.allclose(run(pipe, layout=described).images, run(pipe, layout=ONE).images)


# Weights and blends


def test_weights_may_be_a_number_a_tensor_or_a_file(pipe, tmp_path):
    expected = run(pipe, layout=LAYOUT, weights=1.5)
    matrix = torch.full((2, 3), 1.5)
    assert torch.equal(expected.weights, matrix[None])
    save_weights(tmp_path / "w.safetensors", matrix, "guided", LAYOUT.phrases)
    save_weights(tmp_path / "w.json", matrix, "guided", LAYOUT.phrases)
    for weights in (matrix, matrix.tolist(), str(tmp_path / "w.safetensors"), tmp_path / "w.json"):
        assert torch.equal(run(pipe, layout=LAYOUT, weights=weights).images, expected.images)


def test_a_file_of_weights_brings_its_blend(pipe, tmp_path):
    save_weights(tmp_path / "w.json", torch.full((2, 3), 0.5), "convex", LAYOUT.phrases)
    output = run(pipe, layout=LAYOUT, weights=tmp_path / "w.json")
    assert torch.equal(output.images, run(pipe, layout=LAYOUT, weights=0.5, blend="convex").images)


def test_a_step_uses_its_own_column(pipe):
    late, early = torch.tensor([[0, 0, 2.0]] * 2), torch.tensor([[2.0, 0, 0]] * 2)
    latents = {}
    for name, weights in {"late": late, "early": early, "none": torch.zeros(2, 3)}.items():
        seen = latents[name] = []

        def keep(pipe, step, timestep, kwargs, seen=seen):
            seen.append(kwargs["latents"])
            return {}

        run(pipe, layout=LAYOUT, weights=weights, callback_on_step_end=keep)
    assert all(torch.equal(latents["late"][i], latents["none"][i]) for i in range(3))  # PLMS: 4 evaluations
    assert not torch.equal(latents["late"][3], latents["none"][3])
    assert not torch.equal(latents["early"][0], latents["none"][0])


def test_blends_differ_and_convex_is_the_default_without_guidance(pipe):
    guided, convex = run(pipe, layout=LAYOUT), run(pipe, layout=LAYOUT, blend="convex")
    assert not torch.allclose(guided.images, convex.images) and convex.weights.unique().tolist() == [0.5]
    assert run(pipe, layout=LAYOUT, guidance_scale=1.0).weights.unique().tolist() == [0.5]


def test_defaults_belong_to_the_checkpoint(components, tmp_path):
    defaults = {"default_blend": "convex", "convex_weight": 0.25, "region_shape": "box", "box_scale": 0.5}
    defaults["control_guidance_end"] = 0.5
    pipe = SpaceTimeAttnPipeline(**components, requires_safety_checker=False, **defaults)
    pipe.save_pretrained(tmp_path)
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path)
    assert loaded.config.default_blend == "convex" and loaded.config.region_shape == "box"
    assert run(loaded, layout=LAYOUT, num_inference_steps=4).weights.tolist() == [[[0.25, 0.25, 0.0, 0.0]] * 2]
    predicted = loaded.layout_predictor(PROMPT, aspect_ratio=1.0)
    assert loaded.predict_layout(PROMPT) == predicted.with_scaled_boxes(0.5) != predicted


def test_default_weights_may_fall_over_time(components):
    pipe = SpaceTimeAttnPipeline(
        **components, requires_safety_checker=False, guided_strength=4.0, weight_schedule="linear"
    )
    assert run(pipe, layout=LAYOUT, num_inference_steps=2).weights.tolist() == [[[1.5, 0.5]] * 2]
    with pytest.raises(ValueError, match="weight_schedule"):
        SpaceTimeAttnPipeline(**components, requires_safety_checker=False, weight_schedule="cosine")


def test_without_defaults_predicted_regions_are_the_official_discs(pipe):
    layout = pipe.predict_layout(PROMPT)
    assert [region.disc[2] for region in layout.regions] == [0.2, 0.2]


def test_predicted_boxes_are_described_with_what_belongs_to_them_and_official_discs_are_not(components):
    prompt = "a man with a black beard to the left of a green bus"
    for shape, description in (("box", "a man with a black beard"), ("disc", None)):
        pipe = SpaceTimeAttnPipeline(**components, requires_safety_checker=False, region_shape=shape)
        man, bus = pipe.predict_layout(prompt).regions
        assert (man.phrase, man.description, bus.description) == ("a man", description, None)


# Prompts


def test_the_prompts_own_layout_is_predicted(pipe):
    output = run(pipe)
    assert output.layouts[0].phrases == ["a red cat", "a green bus"]
    assert torch.equal(output.images, run(pipe, layout=pipe.predict_layout(PROMPT)).images)


def test_the_objects_of_a_prompt_may_be_named(pipe):
    assert pipe.predict_layout(PROMPT, objects=["green bus"]).phrases == ["a green bus"]
    assert run(pipe, objects=["green bus"]).layouts[0].phrases == ["a green bus"]
    with pytest.warns(UserWarning, match="not English"):
        assert pipe.predict_layout("una mela rossa accanto a una macchina blu", objects=["mela"]).phrases == ["mela"]
    with pytest.raises(TypeError, match="`objects` has to be a list of strings, got None"):
        pipe.predict_layout(PROMPT, objects=[None])


def test_a_prompt_without_objects_gives_the_plain_picture_and_a_warning(pipe, stock, caplog):
    with caplog.at_level(logging.WARNING):
        output = run(pipe, prompt="quickly and softly")
    assert "No object was found in the prompt 'quickly and softly'" in caplog.text
    assert torch.equal(output.images, run(stock, prompt="quickly and softly").images)
    assert output.weights.shape == (1, 0, 3) and len(output.layouts[0]) == 0


def test_objects_beyond_the_last_token_get_no_region_and_a_warning(pipe, caplog):
    prompt = "a cat above a very, very, very, very, very, very, very, very, very, very, very, very green bus and a dog"
    with caplog.at_level(logging.WARNING):
        layout = pipe.predict_layout(prompt)
    assert "a dog" not in layout.phrases and "a cat" in layout.phrases
    assert "objects named there get no region" in caplog.text and "a dog" in caplog.text


def test_a_prompt_in_another_language_gives_the_plain_picture_and_a_warning(pipe, stock, caplog):
    prompt = "un chat rouge à gauche d'un autobus vert"
    with caplog.at_level(logging.WARNING):
        output = run(pipe, prompt=prompt)
    assert "No object was found" in caplog.text
    assert torch.equal(output.images, run(stock, prompt=prompt).images)


def test_a_batch_of_prompts_with_different_numbers_of_objects_equals_single_calls(pipe):
    prompts, layouts = [PROMPT, "a bird", "fog"], [LAYOUT, ONE, NONE]
    latents = torch.randn(3, 4, 16, 16)
    batch = run(pipe, prompts, layout=layouts, latents=latents)
    assert batch.weights.shape == (3, 2, 3) and torch.equal(batch.weights[1, 1], torch.zeros(3))
    for i in range(3):
        single = run(pipe, prompts[i], layout=layouts[i], latents=latents[i : i + 1])
        torch.testing.assert_close(batch.images[i], single.images[0], atol=2e-5, rtol=0)


def test_a_batchs_weights_may_be_a_list_or_a_padded_tensor(pipe):
    prompts, layouts = [PROMPT, "a bird"], [LAYOUT, ONE]
    matrices = [torch.rand(2, 3), torch.rand(1, 3)]
    padded = torch.stack([matrices[0], torch.cat([matrices[1], torch.zeros(1, 3)])])
    listed = run(pipe, prompts, layout=layouts, weights=matrices)
    assert torch.equal(listed.weights, padded)
    assert torch.equal(run(pipe, prompts, layout=layouts, weights=padded).images, listed.images)


EMBEDS = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")


def embeds_of(pipe, prompt=PROMPT) -> dict:
    options = {"device": "cpu", "num_images_per_prompt": 1, "do_classifier_free_guidance": True}
    return dict(zip(EMBEDS, pipe.encode_prompt(prompt, **options)))


@pytest.mark.parametrize("options", [{}, {"weights": 0}, {"num_images_per_prompt": 2}], ids=str)
def test_prompt_embeds_alone_give_the_stock_picture_and_one_warning(make, family, options, caplog):
    pipe, stock = make(family)
    embeds = embeds_of(pipe, [PROMPT, "fog"])
    output = run(pipe, None, **embeds, **options)
    (record,) = caplog.records
    assert "pass `layout`, or `layout_prompt`" in record.getMessage()
    options.pop("weights", None)
    assert torch.equal(output.images, run(stock, None, **embeds, **options).images)
    assert output.layouts == [NONE] * len(output.images) and output.weights.shape[1] == 0


def test_a_layout_prompt_says_what_prompt_embeds_do_not(make, family, caplog):
    pipe, _ = make(family)
    expected = run(pipe)
    output = run(pipe, None, layout_prompt=PROMPT, **embeds_of(pipe))
    assert output.layouts == expected.layouts and not caplog.records
    torch.testing.assert_close(output.images, expected.images)


def test_a_layout_prompt_takes_the_place_of_the_prompt_and_is_read_to_its_end(pipe, caplog):
    long = "a very, very, very, very, very, very, very, very, very, very, very, very red cat, and a green bus"
    output = run(pipe, "fog", layout_prompt=long)
    assert output.layouts[0].phrases == pipe.layout_predictor(long).phrases and "bus" in output.layouts[0].phrases[-1]
    named = run(pipe, "fog", layout_prompt=long, objects=["green bus"])
    assert named.layouts[0].phrases == ["a green bus"] and not caplog.records
    both = run(pipe, ["fog", "snow"], layout_prompt=["a cat", "a dog"]).layouts
    assert [layout.phrases for layout in both] == [["a cat"], ["a dog"]]
    assert run(pipe, ["fog", "snow"], layout_prompt=["a cat", "a dog"], layout=[ONE, None]).layouts == [ONE, both[1]]


# Predictors that fail


def test_the_rules_stand_in_for_a_predictor_that_fails_with_one_warning(pipe, caplog):
    def fail(prompt, aspect_ratio):
        raise ConnectionError("no route to host")

    for broken in (fail, lambda prompt, aspect_ratio: "nothing.json", lambda prompt: NONE):
        caplog.clear()
        pipe.layout_predictor = broken
        layout = pipe.predict_layout(PROMPT)
        (record,) = caplog.records
        assert "The layout predictor failed, so the rules place the objects" in record.getMessage()
        pipe.layout_predictor = "rules"
        assert layout == pipe.predict_layout(PROMPT)
    with pytest.raises(ValueError, match="`objects` has 'a dog', which does not stand in the prompt"):
        pipe.predict_layout(PROMPT, objects=["a dog"])


def test_an_interrupted_prediction_is_interrupted(pipe):
    def interrupt(prompt, aspect_ratio):
        raise KeyboardInterrupt

    pipe.layout_predictor = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(pipe)


def test_what_a_predictor_lacks_is_told_when_it_is_chosen(pipe, components, monkeypatch):
    monkeypatch.setattr("spacetime_attn.layout.llm.find_spec", lambda name: None)
    before = pipe.layout_predictor
    with pytest.raises(ImportError, match="spacetime_attn.llm."):
        pipe.layout_predictor = "llm"
    assert pipe.layout_predictor is before and pipe.config.layout_predictor == "transformer"
    for options in ({"nlp": "typo"}, {"nlp": "typo", "layout_predictor": "rules"}):
        with pytest.raises(ValueError, match="nlp='typo' is neither"):
            SpaceTimeAttnPipeline(**components, requires_safety_checker=False, **options)


# Long and odd prompts


class Records(logging.Handler):
    """What is logged, by diffusers and transformers too, whose loggers do not propagate and may have been silenced."""

    LOGGERS = ("spacetime_attn", "diffusers", "transformers")

    def __enter__(self) -> list[str]:
        self.messages, self.levels = [], {}
        for logger in map(logging.getLogger, self.LOGGERS):
            self.levels[logger] = logger.level
            logger.setLevel(logging.WARNING)
            logger.addHandler(self)
        return self.messages

    def __exit__(self, *_):
        for logger, level in self.levels.items():
            logger.setLevel(level)
            logger.removeHandler(self)

    def emit(self, record):
        self.messages.append(record.getMessage())


LONG = "a red cat" + " and a very, very green bus" * 40


def test_a_cut_prompt_is_shown_once_and_shortened(make, family):
    pipe, stock = make(family)
    for options in ({}, {"layout": LAYOUT}, {"num_images_per_prompt": 2}):
        with Records() as messages:
            run(pipe, LONG, **options)
        (message,) = messages
        assert "does not read the end of the prompt" in message and "..." in message and len(message) < 200
    with Records() as messages:
        run(stock, LONG)
    assert any("was truncated" in message for message in messages)


def test_a_cut_description_is_shown_once_and_shortened(pipe):
    with Records() as messages:
        run(pipe, layout=Layout((Region(LONG, box=(0, 0, 1, 1)), Region(LONG, box=(0, 0, 0.5, 1)))))
    (message,) = messages
    assert "does not read the end of a local description" in message and len(message) < 200


def test_a_call_prints_nothing_but_the_bar(pipe, clip, capfd):
    with Records() as messages:
        run(pipe)
        run(pipe, layout=LAYOUT, optimize_weights=WeightOptimizer(epochs=2, clip=clip))
    assert messages == [] and capfd.readouterr() == ("", "")
    pipe.set_progress_bar_config(disable=False)
    run(pipe)
    printed = capfd.readouterr()
    assert printed.out == "" and all("%|" in line for line in printed.err.replace("\r", "\n").split("\n") if line)


def test_neither_length_nor_blanks_are_much_work(pipe):
    """With what grows as the square of a length, this would take ten minutes."""
    layout = pipe.predict_layout("a cat " * 60 + " " * 200_000)
    assert layout.phrases[0] == "a cat"
    assert pipe.predict_layout("a red cat\n" + "\n \t" * 20_000 + "a blue dog").phrases == ["a red cat", "a blue dog"]


@pytest.mark.parametrize("name", ["prompt", "negative_prompt", "layout_prompt", "local_prompt_template"])
def test_halves_of_characters_are_replaced(pipe, name):
    def draw(character):
        texts = {"prompt": PROMPT, "negative_prompt": "fog", "layout_prompt": PROMPT, "local_prompt_template": "{}"}
        return run(pipe, **texts | {name: f"{texts[name]} {character}"})

    assert torch.equal(draw("\ud800").images, draw("\ufffd").images)
    assert "\ud800" not in draw("\ud800").layouts[0].prompt
    assert pipe.predict_layout(PROMPT + " \udcff").phrases == ["a red cat", "a green bus"]


# Pictures that are none


@pytest.mark.parametrize("output_type", ["pil", "np", "pt", "latent"])
def test_weights_that_are_too_much_are_told_instead_of_a_black_picture(pipe, output_type):
    before = pipe.unet.attn_processors
    weights = [torch.full((2, 3), 1.0), torch.full((2, 3), 1e38)]
    with pytest.raises(ValueError, match="gave NaN or infinity for picture 3, 4 of 4. Lower `weights`"):
        run(
            pipe,
            [PROMPT] * 2,
            layout=[LAYOUT] * 2,
            weights=weights,
            num_images_per_prompt=2,
            output_type=output_type,
        )
    assert same_processors(pipe.unet, before)


def test_so_are_strengths(pipe):
    with pytest.raises(ValueError, match="gave NaN or infinity for picture 1 of 1"):
        run(pipe, layout=LAYOUT.edit(0, strength=1e38))


def test_pictures_are_the_stock_pipelines(make, family):
    pipe, stock = make(family)
    for kind in ("pil", "np", "pt", "latent"):
        ours, theirs = run(pipe, layout=NONE, output_type=kind).images, run(stock, output_type=kind).images
        assert type(ours) is type(theirs) and type(ours[0]) is type(theirs[0])
        assert np.array_equal(np.array(ours[0]), np.array(theirs[0]))


# Text encoders


def test_encode_prompt_has_the_familys_own_signature_and_all_methods_are_listed(make, family):
    pipe, stock = make(family)
    assert inspect.signature(pipe.encode_prompt) == inspect.signature(stock.encode_prompt)
    assert {name for name in dir(stock) if name[0] != "_"} <= set(dir(pipe))
    assert {"load_lora_weights", "guided_strength", "predict_layout"} <= set(dir(pipe))


@pytest.mark.parametrize("part", ["text_encoder", "tokenizer"])
def test_missing_text_encoders_and_tokenizers_are_named(make, family, part):
    pipe, stock = make(family)
    positive, negative = (
        {name: value for name, value in embeds_of(pipe).items() if name.startswith("negative") == is_negative}
        for is_negative in (False, True)
    )
    for name in [part, f"{part}_2"][: 1 + (family == "SDXL")]:
        lacking = SpaceTimeAttnPipeline(**pipe.components | {name: None})
        for ask in (embeds_of, run, lambda pipe: run(pipe, layout=LAYOUT)):
            with pytest.raises(ValueError, match=f"has no `{name}`: load what is missing, or pass `prompt_embeds`"):
                ask(lacking)
        with pytest.raises(ValueError, match=f"has no `{name}`: .* `prompt_embeds` and `negative_prompt_embeds`"):
            run(lacking, None, negative_prompt="fog", **positive)
        assert torch.equal(run(lacking, None, weights=0, **positive, **negative).images, run(stock).images)
        with pytest.raises(ValueError, match=f"Regions have local descriptions .* no `{name}`"):
            run(lacking, None, layout=LAYOUT, **positive, **negative)
        with pytest.raises(ValueError, match=f"no `{name}`"), spacetime_attention(lacking.stock, LAYOUT):
            pass


def test_a_layout_without_a_unet_needs_the_size(make, family):
    lacking = SpaceTimeAttnPipeline(**make(family)[0].components | {"unet": None})
    with pytest.raises(ValueError, match="has no `unet`.* or pass `height`, `width`"):
        lacking.predict_layout(PROMPT)


@pytest.mark.parametrize("generator", [3, [], "seed", [None]])
def test_a_layout_is_drawn_by_generators_alone(make, family, generator):
    with pytest.raises((TypeError, ValueError), match="`generator` has to be a torch.Generator or a list of them"):
        make(family)[0].predict_layout(PROMPT, generator=generator)


@pytest.mark.parametrize("place", ["./nope", "../nope", "/nope", "~/nope", "a/b/c"])
def test_a_folder_that_is_missing_is_called_one(place):
    with pytest.raises(ValueError, match=f"There is no folder '{place}'"):
        SpaceTimeAttnPipeline.from_pretrained(place)


@pytest.mark.parametrize("temperature", [None, "hot"])
def test_a_predictor_may_call_anything_its_temperature(make, family, temperature):
    def predictor(prompt, aspect_ratio):
        return LAYOUT

    pipe, _ = make(family)
    pipe.layout_predictor, predictor.temperature = predictor, temperature
    assert run(pipe, height=32, width=32, num_images_per_prompt=2).layouts == [LAYOUT, LAYOUT]


def test_a_predictor_that_takes_no_objects_gets_none(make, family):
    pipe, _ = make(family)
    pipe.layout_predictor = lambda prompt, aspect_ratio: LAYOUT
    for ask in (pipe.predict_layout, pipe):
        with pytest.raises(TypeError, match="takes no `objects`"):
            ask(PROMPT, height=32, width=32, objects=["cat"])
    pipe.layout_predictor = lambda prompt, **options: Layout((Region(options["objects"][0], box=(0, 0, 1, 1)),))
    assert pipe.predict_layout(PROMPT, height=32, width=32, objects=["cat"]).phrases == ["cat"]


@pytest.mark.parametrize("part", ["unet", "scheduler", "vae"])
def test_other_parts_that_are_missing_are_named(make, family, part):
    pipe, _ = make(family)
    lacking = SpaceTimeAttnPipeline(**pipe.components | {part: None})
    with pytest.raises(ValueError, match=f"has no `{part}`: load what is missing"):
        run(lacking, height=32, width=32)
    assert lacking.predict_layout(PROMPT, height=64, width=48) == pipe.predict_layout(PROMPT, height=64, width=48)


def test_latents_need_no_vae(make, family):
    pipe, stock = make(family)
    lacking = SpaceTimeAttnPipeline(**pipe.components | {"vae": None})
    size = {"output_type": "latent", "height": 64, "width": 64}  # without a VAE, a latent is taken for 8 x 8 pixels
    expected = run(type(stock)(**stock.components | {"vae": None}), **size).images
    assert torch.equal(run(lacking, layout=NONE, **size).images, expected)
    assert not torch.equal(run(lacking, layout=LAYOUT, **size).images, expected)


def test_layouts_need_no_weights(make, family):
    """Tokenizers, and the UNet's and the VAE's configs, are all that a layout takes."""
    pipe, _ = make(family)
    parts = dict(pipe.components)
    with torch.device("meta"):
        parts |= {name: type(parts[name]).from_config(parts[name].config) for name in ("unet", "vae")}
    parts |= {name: None for name in parts if name.startswith("text_encoder")}
    bare = SpaceTimeAttnPipeline(**parts)
    assert {bare.unet.device.type, bare.vae.device.type} == {"meta"}
    assert bare.predict_layout(PROMPT, height=64, width=48) == pipe.predict_layout(PROMPT, height=64, width=48)
    long = "a cat above a very" + ", very" * 30 + " green bus and a dog"
    assert bare.predict_layout(long) == pipe.predict_layout(long) and "a dog" not in bare.predict_layout(long).phrases


# StableDiffusionPipeline's arguments


@pytest.mark.parametrize(
    "options",
    [
        {"negative_prompt": "fog"},
        {"guidance_scale": 1.0},
        {"guidance_rescale": 0.7},
        {"clip_skip": 1},
        {"height": 48, "width": 24},
        {"eta": 0.5},
        {"cross_attention_kwargs": {}},
    ],
    ids=str,
)
def test_arguments_of_the_stock_pipeline_act_with_and_without_control(pipe, stock, options):
    for either in (pipe, stock):
        either.scheduler = DDIMScheduler.from_config(stock.scheduler.config)
    without = run(pipe, layout=NONE, **options).images
    controlled = run(pipe, layout=LAYOUT, **options).images
    if "clip_skip" not in options:  # which the stock pipeline lacks with transformers 5
        assert torch.equal(without, run(stock, **options).images)
    assert controlled.shape == without.shape and not torch.allclose(controlled, without)
    if options not in ({"cross_attention_kwargs": {}},):
        default = run(pipe, layout=LAYOUT).images
        assert default.shape != controlled.shape or not torch.allclose(default, controlled)


def test_clip_skip_reads_an_earlier_layer_of_the_text_encoder(pipe):
    skipped = pipe.encode_prompt(PROMPT, "cpu", 1, False, clip_skip=1)[0]
    ids = pipe.tokenizer(PROMPT, padding="max_length", truncation=True, return_tensors="pt").input_ids
    layers = pipe.text_encoder(ids, output_hidden_states=True).hidden_states
    assert torch.equal(skipped, pipe.text_encoder.final_layer_norm(layers[-2]))


@pytest.mark.parametrize(
    "options",
    [{"timesteps": [900, 600, 300, 10]}, {"sigmas": [14.0, 6.0, 2.0, 0.5, 0.0]}],
    ids=["timesteps", "sigmas"],
)
def test_custom_timesteps_and_sigmas(pipe, options):
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    output = run(pipe, layout=LAYOUT, num_inference_steps=None, **options)
    assert output.weights.shape == (1, 2, 4)


def test_latents_in_and_out(pipe):
    latents = torch.randn(1, 4, 16, 16)
    first = run(pipe, layout=LAYOUT, latents=latents, output_type="latent", seed=1).images
    second = run(pipe, layout=LAYOUT, latents=latents, output_type="latent", seed=2).images
    assert torch.equal(first, second)


def test_a_list_of_generators(pipe):
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 5)]
    both = run(pipe, [PROMPT, PROMPT], layout=[LAYOUT, LAYOUT], generator=generators).images
    torch.testing.assert_close(both[0], run(pipe, layout=LAYOUT, seed=0).images[0], atol=2e-5, rtol=0)
    torch.testing.assert_close(both[1], run(pipe, layout=LAYOUT, seed=5).images[0], atol=2e-5, rtol=0)


@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_a_callback_may_switch_guidance_off_in_mid_run(pipe, blend):
    output = run(pipe, layout=LAYOUT, blend=blend, callback_on_step_end=SDCFGCutoffCallback(None, 1))
    assert torch.isfinite(output.images).all() and pipe.guidance_scale == 0


@pytest.mark.parametrize("which", ["the argument", "the pipeline"])
def test_a_callback_may_interrupt(pipe, which):
    calls = []

    def stop(argument, step, timestep, kwargs):
        calls.append(step)
        (argument if which == "the argument" else pipe)._interrupt = True
        return {}

    run(pipe, layout=LAYOUT, callback_on_step_end=stop)
    assert calls == [0]


def test_inference_mode_changes_nothing(pipe):
    expected = run(pipe, layout=LAYOUT).images
    with torch.inference_mode():
        assert torch.equal(run(pipe, layout=LAYOUT).images, expected)


def test_the_safety_checker_has_its_say(components):
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(vision_config=vision | {"image_size": 32, "patch_size": 8}, projection_dim=8)
    checker = StableDiffusionSafetyChecker(config).eval()
    checker.concept_embeds_weights.data.fill_(-2)  # every similarity passes this threshold
    components |= {"safety_checker": checker, "feature_extractor": CLIPImageProcessor(size=32, crop_size=32)}
    output = run(SpaceTimeAttnPipeline(**components), layout=LAYOUT)
    assert output.nsfw_content_detected == [True] and not output.images.any()


def test_distilled_models_with_a_guidance_embedding_are_convex(make_components):
    pipe = SpaceTimeAttnPipeline(**make_components(time_cond_proj_dim=32), requires_safety_checker=False)
    pipe.scheduler = LCMScheduler.from_config(pipe.scheduler.config)
    assert run(pipe, layout=LAYOUT, guidance_scale=8.0).weights.unique().tolist() == [0.5]


def test_a_new_scheduler_is_used_as_it_is(pipe, stock):
    """Like the stock pipeline, which corrects the scheduler that it is made with and leaves later ones alone."""
    for either in (pipe, stock):
        either.scheduler = DDIMScheduler(steps_offset=0, clip_sample=True)
    assert torch.equal(run(pipe, layout=NONE).images, run(stock).images)
    assert pipe.scheduler.config.steps_offset == 0


def test_callbacks_are_given_the_pipeline_itself_with_all_that_the_stock_one_has(pipe):
    seen = []

    def look(argument, step, timestep, kwargs):
        seen.append((argument, argument.num_timesteps, argument.do_classifier_free_guidance))
        return {}

    run(pipe, layout=LAYOUT, callback_on_step_end=look)
    assert seen[0] == (pipe, 4, True)


# Adapters

NEARLY_OFF = {"layout": LAYOUT, "weights": 1e-12}  # under control, and yet the stock pipeline's result


def add_lora(unet):
    torch.manual_seed(3)
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_k", "to_v"], init_lora_weights="gaussian"))
    for name, parameter in unet.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)


def test_lora_acts_under_control_and_follows_its_scale(pipe, stock):
    add_lora(pipe.unet)
    for options in ({}, {"cross_attention_kwargs": {"scale": 0.3}}):
        expected = run(stock, **options).images
        torch.testing.assert_close(run(pipe, **NEARLY_OFF, **options).images, expected, atol=1e-5, rtol=0)
    assert not torch.allclose(run(pipe, layout=LAYOUT).images, expected)


@pytest.mark.parametrize("inference_mode", [False, True])
def test_what_a_callback_changes_in_mid_run_is_seen_by_the_cached_keys_and_values(pipe, stock, inference_mode):
    add_lora(pipe.unet)

    def change(argument, step, timestep, kwargs):
        argument.unet.disable_adapters()
        kwargs["prompt_embeds"].mul_(0.5)
        return {}

    options = {"callback_on_step_end": change, "callback_on_step_end_tensor_inputs": ["prompt_embeds"]}
    with torch.inference_mode(inference_mode):
        expected = run(stock, **options).images
        pipe.unet.enable_adapters()
        torch.testing.assert_close(run(pipe, **NEARLY_OFF, **options).images, expected, atol=1e-5, rtol=0)


def add_ip_adapter(unet):
    """What `load_ip_adapter` puts into a UNet, with random weights."""
    torch.manual_seed(4)
    projection = ImageProjection(cross_attention_dim=32, image_embed_dim=8, num_image_text_embeds=4)
    unet.encoder_hid_proj = MultiIPAdapterImageProjection([projection])
    unet.config.encoder_hid_dim_type = "ip_image_proj"
    for name, module in unet.named_modules():
        if name.endswith("attn2"):
            module.set_processor(IPAdapterAttnProcessor2_0(module.inner_dim, 32, num_tokens=(4,)))


@pytest.mark.parametrize("callback", [None, IPAdapterScaleCutoffCallback(None, 1)], ids=["scale 1", "cut off"])
def test_ip_adapter_acts_under_control(pipe, stock, callback):
    add_ip_adapter(pipe.unet)
    options = {"ip_adapter_image_embeds": [torch.randn(2, 1, 8)], "callback_on_step_end": callback}
    expected = run(stock, **options).images
    pipe.set_ip_adapter_scale(1.0)
    torch.testing.assert_close(run(pipe, **NEARLY_OFF, **options).images, expected, atol=1e-5, rtol=0)
    pipe.set_ip_adapter_scale(1.0)
    assert not torch.allclose(run(pipe, layout=LAYOUT, **options).images, expected)
    assert all(type(layer) is not RegionalAttnProcessor for layer in pipe.unet.attn_processors.values())


# Together with other pipelines


def test_image_to_image_under_control(pipe, components):
    img2img = StableDiffusionImg2ImgPipeline(**components, requires_safety_checker=False)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8))

    def draw():
        return run(img2img, image=image, strength=0.5, num_inference_steps=8).images

    plain, before = draw(), pipe.unet.attn_processors
    with spacetime_attention(img2img, LAYOUT, weights=1.0):
        controlled = draw()
    with spacetime_attention(img2img, LAYOUT, weights=torch.tensor([[2.0] * 3 + [0.0] * 5] * 2)):
        first_half_only = draw()
    assert not torch.allclose(plain, controlled) and same_processors(pipe.unet, before)
    assert torch.equal(first_half_only, plain)  # the run starts in the middle of the matrix, for PLMS at column 3
    assert torch.equal(draw(), plain)


def test_a_run_may_start_at_the_timestep_that_plms_repeats(components):
    img2img = StableDiffusionImg2ImgPipeline(**components, requires_safety_checker=False)
    columns, begin_step = [], RegionalControl.begin_step
    with spacetime_attention(img2img, LAYOUT, weights=torch.ones(2, 8)) as control:
        control.begin_step = lambda column, *args: columns.append(column) or begin_step(control, column, *args)
        run(img2img, image=torch.rand(1, 3, 32, 32), strength=0.76, num_inference_steps=8)
    assert columns == [1, 2, 3, 4, 5, 6, 7]


def test_a_stock_pipeline_made_from_ours_keeps_the_checkpoints_defaults(components):
    ours = SpaceTimeAttnPipeline(**components, requires_safety_checker=False, guided_strength=1.0, convex_weight=0.2)
    stock = StableDiffusionPipeline.from_pipe(ours)
    guided, convex = (run(ours, layout=LAYOUT, guidance_scale=scale).images for scale in (7.5, 1))
    with spacetime_attention(stock, LAYOUT) as control:
        assert torch.equal(run(stock).images, guided)
        assert control.blend == "guided" and control.weights.unique().tolist() == [0.5]
        assert torch.equal(run(stock, guidance_scale=1).images, convex)
        assert control.blend == "convex" and control.weights.unique().tolist() == pytest.approx([0.2])


@pytest.mark.parametrize(
    "kind, missing",
    [
        (StableDiffusionAttendAndExcitePipeline, "`do_classifier_free_guidance`"),
        (StableDiffusionInstructPix2PixPipeline, "`encode_prompt`"),
    ],
)
def test_pipelines_of_another_kind_are_refused(components, kind, missing):
    other = kind(**components, requires_safety_checker=False)
    with pytest.raises(TypeError, match=f"{kind.__name__} cannot be controlled: it lacks {missing}"):
        with spacetime_attention(other, LAYOUT):
            pass


def test_one_block_may_hold_several_runs_of_different_sizes(pipe, stock):
    with spacetime_attention(stock, LAYOUT):
        small, large = run(stock).images, run(stock, height=64, width=40).images
    assert torch.equal(small, run(pipe, layout=LAYOUT).images)
    assert torch.equal(large, run(pipe, layout=LAYOUT, height=64, width=40).images)


# Bad input


@pytest.mark.parametrize(
    "options, message",
    [
        ({"layout": [LAYOUT, LAYOUT]}, "`layout` holds 2 entries, but there are 1 prompts"),
        ({"layout": 3}, "`layout` has to be a Layout, a dict or a path to JSON, got int"),
        ({"layout": "missing.json"}, "no layout file 'missing.json'"),
        ({"layout": {"version": 99, "objects": []}}, "version 99.*Update spacetime_attn"),
        ({"layout": {"objects": [{"phrase": "a cat", "box": [0, 0, 2, 1]}]}}, "'a cat' has to lie in 0..1"),
        ({"blend": "magic"}, "`blend` has to be one of 'guided', 'convex', got 'magic'"),
        ({"blend": "guided", "guidance_scale": 1.0}, "`blend='guided'` needs classifier-free guidance"),
        ({"weights": float("nan")}, "`weights` holds NaN"),
        ({"weights": torch.full((2, 3), float("inf"))}, "`weights` holds NaN or infinite"),
        ({"weights": 1.5, "blend": "convex"}, r"Convex `weights` have to lie in 0..1, got 1.5..1.5"),
        ({"weights": torch.ones(3, 3)}, r"`weights` has shape \(3, 3\).*\(objects, steps\) = \(2, 3\)"),
        ({"weights": torch.ones(2, 5)}, r"`weights` has shape \(2, 5\)"),
        ({"weights": [torch.ones(2, 3)] * 2}, "`weights` holds 2 entries, but the number of prompts is 1"),
        ({"weights": "missing.json"}, "no file of weights 'missing.json'"),
        ({"weights": {"a": 1}}, "`weights` has to be a real number, a tensor or a file"),
        ({"num_inference_steps": 0}, "`num_inference_steps` has to be a whole number from 1, got 0"),
        ({"layout": NONE, "weights": float("nan")}, "`weights` holds NaN"),
        ({"prompt": []}, r"`prompt` has to be a string, or a list of at least one string, got \[\]"),
        ({"height": 30}, "divisible by 8"),
        ({"negative_prompt": ["fog", "rain"]}, "`negative_prompt` holds 2 entries, but there are 1 prompts"),
        ({"generator": [torch.Generator()] * 3}, "`generator` holds 3 entries, but there are 1 pictures"),
        ({"layout": "."}, "`layout` names no file that can be read"),
        ({"layout": '{"objects": []}' * 99}, "`layout` names no file that can be read"),
        ({"layout": {"objects": [{"phrase": "a cat", "mask": [[1, 0], [1]]}]}}, "`mask` of 'a cat' has rows of diff"),
        ({"layout": LAYOUT.to_dict() | {"relations": [{"subject": None, "relation": "left of"}]}}, "object None"),
        ({"layout": LAYOUT.to_dict() | {"prompt": 5}}, "`prompt` of a layout has to be a string, got 5"),
        ({"weights": "."}, "is no file of weights"),
        ({"weights": torch.ones(2, 3, dtype=torch.complex64)}, "`weights` has to be a real number"),
        ({"blend": ""}, "`blend` has to be one of 'guided', 'convex', got ''"),
        ({"negative_prompt": 3}, "`negative_prompt` has to be a string.*got 3"),
        ({"prompt": [3]}, r"`prompt` has to be .* got \[3\]"),
        ({"latents": torch.zeros(3, 4, 16, 16)}, "`latents` holds 3 entries, but there are 1 pictures"),
        ({"num_images_per_prompt": 0}, "`num_images_per_prompt` has to be a whole number from 1, got 0"),
        ({"num_images_per_prompt": None}, "`num_images_per_prompt` has to be a whole number from 1, got None"),
        ({"height": -8}, "`height` has to be a whole number of pixels"),
        ({"width": "32"}, "`width` has to be a whole number of pixels.*got '32'"),
        ({"guidance_scale": float("nan")}, "`guidance_scale` has to be a finite number, got nan"),
        ({"guidance_rescale": "a"}, "`guidance_rescale` has to be a finite number, got 'a'"),
        ({"cross_attention_kwargs": "a"}, "`cross_attention_kwargs` has to be a dict"),
        ({"callback_on_step_end": 3}, "`callback_on_step_end` has to be callable, got 3"),
        ({"generator": 3}, "`generator` has to be a torch.Generator or a list of them, got 3"),
        ({"clip_skip": -1}, "`clip_skip` has to be a whole number from 0, got -1"),
        ({"clip_skip": 7}, "`clip_skip` is 7, but the text encoder has 3 layers"),
        ({"num_inference_steps": None}, "`num_inference_steps` is None: pass"),
        ({"local_prompt_template": "a photo"}, "`local_prompt_template` has to hold {}.*'a photo'"),
        ({"timesteps": [10, 5]}, "does not support custom"),
        ({"objects": ["a red cat"]}, "`objects` goes with a single `prompt` and without `layout`"),
        ({"layout": None, "prompt": [PROMPT] * 2, "objects": ["a red cat"]}, "`objects` goes with a single `prompt`"),
        ({"layout": None, "objects": ["a dog"]}, "`objects` has 'a dog', which does not stand in the prompt"),
        ({"layout": None, "objects": "a red cat"}, "`objects` has to be a list of strings, got the string"),
        ({"latents": torch.full((1, 4, 16, 16), torch.nan)}, "`latents` has to be a tensor of finite numbers"),
        ({"layout_prompt": PROMPT}, "`layout_prompt` is what a `layout` is predicted from: leave one of them out"),
        ({"layout": None, "layout_prompt": 3}, "`layout_prompt` has to be a string, or a list .* got 3"),
        ({"layout": None, "layout_prompt": ["a", "b"]}, "`layout_prompt` holds 2 entries, but there are 1 prompts"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_bad_input_is_refused_before_any_model_runs(pipe, options, message):
    def fail(*_):
        raise AssertionError("a model ran")

    for model in (pipe.text_encoder, pipe.unet, pipe.vae):
        model.register_forward_pre_hook(fail)
    before = pipe.unet.attn_processors
    with pytest.raises((ValueError, TypeError), match=message):
        run(pipe, **{"layout": LAYOUT, "prompt": [PROMPT] if "negative_prompt" in options else PROMPT} | options)
    assert same_processors(pipe.unet, before)


@pytest.mark.parametrize(
    "content", ["not json", '{"objects": ', "\x93NUMPY", '{"weights": [[1, 2]], "blend": "guided"}']
)
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_damaged_files_are_refused_by_name(pipe, tmp_path, content, suffix):
    file = tmp_path / f"damaged{suffix}"
    file.write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=f"damaged{suffix}"):
        run(pipe, layout=LAYOUT, weights=file)
    if not content.endswith("}"):
        with pytest.raises(ValueError, match=f"damaged{suffix}"):
            run(pipe, layout=file)


def test_saved_weights_of_other_objects_are_refused(pipe, tmp_path):
    save_weights(tmp_path / "w.json", torch.ones(1, 3), "guided", ["a bird"])
    with pytest.raises(ValueError, match=r"belong to the objects \['a bird'\], but the layout has"):
        run(pipe, layout=LAYOUT, weights=tmp_path / "w.json")


def test_one_kind_of_prompt_asks_for_the_same_kind_of_negative_prompt(pipe):
    with pytest.raises(TypeError, match="`negative_prompt` has to be a string where `prompt` is one"):
        run(pipe, PROMPT, layout=LAYOUT, negative_prompt=["fog"])


def test_embeddings_of_another_model_are_refused(pipe):
    with pytest.raises(
        ValueError, match=r"`prompt_embeds` has to be of shape \(prompts, tokens, 32\), got \(1, 77, 8\)"
    ):
        run(pipe, None, prompt_embeds=torch.zeros(1, 77, 8), layout=LAYOUT)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"default_blend": "magic"}, "`default_blend` has to be one of"),
        ({"region_shape": "star"}, "`region_shape` has to be one of 'disc', 'box', got 'star'"),
        ({"guided_strength": float("nan")}, "`guided_strength` has to be a finite number, got nan"),
        ({"convex_weight": 2.0}, "`convex_weight` has to be a number in 0..1, got 2.0"),
        ({"disc_radius": -1.0}, "`disc_radius` has to be a number in"),
        ({"box_scale": 0}, "`box_scale` has to be a number in"),
        ({"layout_predictor": 3}, "`layout_predictor` has to be one of 'rules', 'transformer', 'llm', 'auto', got 3"),
        ({"layout_predictor": print, "nlp": "en"}, "`nlp` is for the predictors rules, transformer, llm"),
    ],
)
def test_defaults_that_make_no_sense_are_refused(components, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        SpaceTimeAttnPipeline(**components, requires_safety_checker=False, **options)
