"""What holds where a call says nothing: presets, and the defaults that travel with a checkpoint."""

import copy
import json
import pickle
import shutil
from dataclasses import asdict

import numpy as np
import pytest
import spacy
import torch
from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image, StableDiffusionPipeline

from spacetime_attn import (
    Layout,
    LayoutTransformer,
    Region,
    RuleLayoutPredictor,
    SpaceTimeAttnPipeline,
    default_model,
    spacetime_attention,
)
from spacetime_attn.processors.defaults import PRESETS, Defaults


PROMPT = "a red cat to the left of a green bus"
LAYOUT = Layout((Region("a red cat", box=(0, 0.2, 0.5, 0.8)), Region("a green bus", disc=(0.75, 0.5, 0.1))))
OWN = {"guided_strength": 3.0, "control_guidance_end": 0.5, "region_shape": "box", "box_scale": 0.5}
OWN |= {"layout_predictor": "rules", "clip_model": "some/clip"}


def run(pipe, **options):
    pipe.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 4, "output_type": "pt", "generator": torch.manual_seed(0)} | options
    return pipe(PROMPT, **options)


def weights_in(pipe, **options) -> torch.Tensor:
    """Those of a stock pipeline's run within the context manager."""
    pipe.set_progress_bar_config(disable=True)
    with spacetime_attention(pipe, LAYOUT, **options) as control:
        pipe.scheduler.set_timesteps(4)
        image = {"image": torch.zeros(1, 3, 32, 32), "strength": 1.0} if "Img2Img" in type(pipe).__name__ else {}
        pipe(PROMPT, num_inference_steps=4, output_type="latent", **image)
        return control.weights


def shapes(layout: Layout) -> list[str]:
    return ["box" if region.box is not None else f"disc {region.disc[2]}" for region in layout.regions]


# Presets


def test_the_official_preset_is_the_default_of_checkpoints_without_their_own(pipe):
    assert pipe.preset == "official" and pipe.defaults == PRESETS["official"] == Defaults()
    assert run(pipe, layout=LAYOUT).weights.tolist() == [[[2.5] * 4] * 2]
    assert shapes(pipe.predict_layout(PROMPT)) == ["disc 0.2", "disc 0.2"]


def test_the_early_preset_falls_to_zero_at_half_of_the_steps_and_takes_boxes_as_predicted(components):
    pipe = SpaceTimeAttnPipeline(**components, requires_safety_checker=False, preset="early")
    assert run(pipe, layout=LAYOUT).weights.tolist() == [[[1.875, 0.625, 0, 0]] * 2]
    assert pipe.predict_layout(PROMPT) == pipe.layout_predictor(PROMPT)


def test_a_call_may_take_a_preset_for_itself(pipe):
    early = SpaceTimeAttnPipeline.from_pipe(pipe, preset="early")
    assert pipe.predict_layout(PROMPT, preset="early") == early.predict_layout(PROMPT)
    taken = run(pipe, preset="early")
    assert taken.layouts == [early.predict_layout(PROMPT)]
    assert torch.equal(taken.images, run(early).images) and not torch.equal(taken.images, run(pipe).images)
    assert pipe.preset == "official"


def test_a_preset_may_be_set_and_may_be_taken_within_the_context_manager(pipe, stock):
    early = weights_in(stock, preset="early")
    assert early.tolist() == [[1.875, 0.625, 0, 0]] * 2
    pipe.preset = "early"
    assert pipe.preset == "early" and torch.equal(run(pipe, layout=LAYOUT).weights[0], early)
    pipe.guided_strength = 3
    assert pipe.preset is None


def test_a_preset_takes_the_place_of_all_that_a_checkpoint_carries_and_is_what_is_saved(components, tmp_path):
    SpaceTimeAttnPipeline(**components, requires_safety_checker=False, **OWN).save_pretrained(tmp_path / "own")
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path / "own", preset="early")
    loaded.save_pretrained(tmp_path / "early")
    again = SpaceTimeAttnPipeline.from_pretrained(tmp_path / "early")
    assert loaded.defaults == again.defaults == PRESETS["early"] and again.clip_model == "some/clip"


def test_other_presets_are_refused(pipe, stock, components):
    message = "`preset` has to be one of 'official', 'early', got 'paper'"
    with pytest.raises(ValueError, match=message):
        SpaceTimeAttnPipeline(**components, preset="paper")
    for call in (pipe.predict_layout, pipe):
        with pytest.raises(ValueError, match=message):
            call(PROMPT, preset="paper")
    with pytest.raises(ValueError, match=message), spacetime_attention(stock, LAYOUT, preset="paper"):
        pass
    with pytest.raises(ValueError, match=message):
        pipe.preset = "paper"


# Which regions they are for


@pytest.mark.parametrize("preset", PRESETS)
def test_regions_of_the_user_and_of_a_custom_predictor_act_as_given(pipe, preset):
    assert run(pipe, layout=LAYOUT, preset=preset).layouts == [LAYOUT]
    pipe.layout_predictor = lambda prompt, aspect_ratio: LAYOUT
    pipe.box_scale = 0.5
    assert run(pipe, preset=preset).layouts == [LAYOUT]


def test_boxes_of_the_predictors_that_ship_are_fitted_to_the_checkpoint_whatever_copy_they_are_of(pipe):
    class OfAnotherCopy:
        for_any_checkpoint = True
        __call__ = RuleLayoutPredictor()

    for predictor in ("rules", "transformer", RuleLayoutPredictor(), OfAnotherCopy()):
        pipe.layout_predictor = predictor
        assert shapes(pipe.predict_layout(PROMPT)) == ["disc 0.2", "disc 0.2"]


# As attributes


def test_the_defaults_that_act_are_shown(pipe):
    pipe.guided_strength = 3
    assert "default_blend='guided', guided_strength=3.0" in repr(pipe.defaults)
    assert SpaceTimeAttnPipeline.from_pretrained(default_model()).defaults == Defaults(
        guided_strength=8,
        control_guidance_end=0.5,
        weight_schedule="linear",
        region_shape="box",
        box_scale=0.6,
        depth_order=True,
        upscale_guidance_scale=2,
        upscale_convex_weight=1,
    )


def test_a_default_that_is_set_acts_and_is_saved(pipe, tmp_path):
    pipe.guided_strength, pipe.region_shape, pipe.box_scale = np.float32(1), "box", 1
    pipe.depth_order = np.True_
    pipe.clip_model, pipe.layout_predictor = "some/clip", "rules"
    assert run(pipe, layout=LAYOUT).weights.unique().tolist() == [0.5] and pipe.guided_strength == 1
    assert pipe.predict_layout(PROMPT) == RuleLayoutPredictor()(PROMPT)
    pipe.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert (index["guided_strength"], index["box_scale"], index["layout_predictor"]) == (1, 1, "rules")
    assert index["depth_order"] is True
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path)
    assert loaded.defaults == pipe.defaults and loaded.clip_model == "some/clip"
    assert type(loaded.layout_predictor) is RuleLayoutPredictor


@pytest.mark.parametrize(
    "name, value",
    [
        ("guided_strength", float("nan")),
        ("convex_weight", 2),
        ("region_shape", "star"),
        ("box_scale", "1"),
        ("weight_schedule", None),
        ("depth_order", "yes"),
        ("upscale_guidance_scale", "2"),
        ("upscale_convex_weight", 1.5),
        ("clip_model", "./../elsewhere"),
        ("clip_model", "./"),
        ("clip_model", 3),
        ("layout_predictor", "ruels"),
        ("layout_predictor", None),
    ],
)
def test_a_default_that_makes_no_sense_cannot_be_set(pipe, name, value):
    before = dict(pipe.config)
    with pytest.raises((ValueError, TypeError), match=f"`{name}` has to"):
        setattr(pipe, name, value)
    assert dict(pipe.config) == before


@pytest.mark.parametrize(
    "name, meant",
    [
        ("layout_predicter", "layout_predictor"),
        ("guided_strenght", "guided_strength"),
        ("boxscale", "box_scale"),
        ("presets", "preset"),
        ("clipmodel", "clip_model"),
    ],
)
def test_a_misspelt_setting_is_told(pipe, caplog, name, meant):
    setattr(pipe, name, 1)
    assert f"no setting {name!r}, which is set now without effect: {meant!r} is one" in caplog.text


@pytest.mark.parametrize("name", ["reset", "layout_predictor_name", "remark"])
def test_other_names_are_taken_untold(pipe, caplog, name):
    setattr(pipe, name, 1)
    assert getattr(pipe, name) == 1 and not caplog.records


def test_a_language_pipeline_that_is_set_reads_from_then_on(pipe):
    before = pipe.layout_predictor
    with pytest.raises(ValueError, match="nlp='typo' is neither"):
        pipe.nlp = "typo"
    assert pipe.nlp is None and pipe.layout_predictor is before
    pipe.nlp = nlp = spacy.blank("en")
    assert pipe.nlp is nlp and pipe.layout_predictor is not before
    assert pipe.predict_layout(PROMPT).phrases == ["a red cat", "a green bus"]


def test_other_attributes_may_be_set(pipe):
    pipe.remark = "mine"
    assert pipe.remark == "mine"


# With the checkpoint


def saved_and_loaded(pipe, folder, kind=SpaceTimeAttnPipeline):
    pipe.save_pretrained(folder)
    return kind.from_pretrained(folder)


ROUTES = {
    "save": saved_and_loaded,
    "moved": lambda pipe, folder: SpaceTimeAttnPipeline.from_pretrained(moved(pipe, folder)),
    "pickle": lambda pipe, folder: pickle.loads(pickle.dumps(pipe)),
    "copy": lambda pipe, folder: copy.deepcopy(pipe),
    "from_pipe": lambda pipe, folder: SpaceTimeAttnPipeline.from_pipe(pipe),
    "stock": lambda pipe, folder: SpaceTimeAttnPipeline.from_pipe(pipe.stock),
    "stock saved": lambda pipe, folder: saved_and_loaded(pipe.stock, folder),
    "image to image": lambda pipe, folder: SpaceTimeAttnPipeline.from_pipe(
        AutoPipelineForImage2Image.from_pipe(pipe.stock), safety_checker=None
    ),
    "image to image saved": lambda pipe, folder: saved_and_loaded(
        AutoPipelineForImage2Image.from_pipe(pipe.stock), folder
    ),
}


def moved(pipe, folder):
    pipe.save_pretrained(folder / "here")
    return shutil.move(folder / "here", folder / "there")


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_the_checkpoints_defaults_travel(make, family, route, tmp_path):
    pipe = SpaceTimeAttnPipeline.from_pipe(make(family)[1], **OWN)
    other = route(pipe, tmp_path)
    assert other.defaults == pipe.defaults != Defaults() and other.clip_model == "some/clip"
    assert type(other.layout_predictor) is RuleLayoutPredictor
    assert torch.equal(run(other).weights, run(pipe).weights) and run(other).layouts == run(pipe).layouts


STOCK_ROUTES = {
    "stock": lambda pipe, folder: pipe.stock,
    "from_pipe": lambda pipe, folder: type(pipe.stock).from_pipe(pipe),
    "image to image": lambda pipe, folder: AutoPipelineForImage2Image.from_pipe(pipe.stock),
    "and back": lambda pipe, folder: AutoPipelineForText2Image.from_pipe(
        AutoPipelineForImage2Image.from_pipe(pipe.stock)
    ),
    "loaded": lambda pipe, folder: saved_and_loaded(pipe, folder, type(pipe.stock)),
}


@pytest.mark.parametrize("route", STOCK_ROUTES.values(), ids=STOCK_ROUTES)
def test_the_checkpoints_defaults_travel_to_stock_pipelines(make, family, route, tmp_path):
    pipe = SpaceTimeAttnPipeline.from_pipe(make(family)[1], **OWN)
    assert weights_in(route(pipe, tmp_path)).tolist() == [[1.5, 1.5, 0, 0]] * 2


def test_a_stock_pipeline_whose_checkpoint_is_gone_has_the_official_settings(stock, tmp_path):
    loaded = saved_and_loaded(stock, tmp_path / "gone", StableDiffusionPipeline)
    shutil.rmtree(tmp_path / "gone")
    assert weights_in(loaded).tolist() == [[2.5] * 4] * 2


def test_what_is_set_later_travels_too(pipe):
    pipe.preset = "early"
    assert weights_in(pipe.stock).tolist() == [[1.875, 0.625, 0, 0]] * 2


def test_the_components_and_settings_of_a_pipeline_make_another(components):
    pipe = SpaceTimeAttnPipeline(**components, requires_safety_checker=False, **OWN)
    assert SpaceTimeAttnPipeline(**pipe.components, **pipe.parameters).defaults == pipe.defaults
    assert StableDiffusionPipeline(**pipe.stock.components, requires_safety_checker=False).unet is pipe.unet


@pytest.fixture
def transformer() -> LayoutTransformer:
    return LayoutTransformer(("[PAD]", "[UNK]"), width=16, layers=1, heads=2).eval()


def test_a_layout_transformer_travels(pipe, transformer, tmp_path):
    pipe.layout_transformer = transformer
    saved = saved_and_loaded(pipe, tmp_path)
    for other in (saved, SpaceTimeAttnPipeline.from_pipe(pipe), SpaceTimeAttnPipeline.from_pipe(pipe.stock)):
        assert other.predict_layout(PROMPT) == pipe.predict_layout(PROMPT)
        assert other.layout_predictor.model.config.width == 16


def test_a_layout_transformer_that_is_set_predicts_from_then_on(pipe, transformer):
    pipe.layout_transformer = transformer
    assert pipe.layout_predictor.model is transformer
    pipe.layout_predictor = mine = RuleLayoutPredictor()
    pipe.layout_transformer = copy.deepcopy(transformer)
    assert pipe.layout_predictor is mine


# The checkpoint's own CLIP


@pytest.fixture
def checkpoint(pipe, clip, tmp_path):
    """A folder with a pipeline and a CLIP that it names."""
    folder = tmp_path / "checkpoint"
    pipe.save_pretrained(folder)
    for part in (clip.model, clip.tokenizer):
        part.save_pretrained(folder / "clip")
    (folder / "clip" / "preprocessor_config.json").write_text('{"image_processor_type": "CLIPImageProcessor"}')
    index = json.loads((folder / "model_index.json").read_text()) | {"clip_model": "./clip"}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_the_checkpoints_clip_is_saved_along(checkpoint, tmp_path):
    SpaceTimeAttnPipeline.from_pretrained(checkpoint).save_pretrained(tmp_path / "copy")
    shutil.rmtree(checkpoint)
    shutil.move(tmp_path / "copy", tmp_path / "moved")
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path / "moved")
    assert run(loaded, layout=LAYOUT, optimize_weights=1).loss_history.isfinite().all()
    loaded.save_pretrained(tmp_path / "moved")  # over itself
    assert SpaceTimeAttnPipeline.from_pretrained(tmp_path / "moved").image_text_model().image_size == 32


def test_the_checkpoints_clip_is_found_from_other_working_directories(checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(checkpoint.parent)
    pipe = SpaceTimeAttnPipeline.from_pretrained("checkpoint")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert pipe.image_text_model().image_size == 32
    assert SpaceTimeAttnPipeline.from_pipe(pipe.stock).image_text_model().image_size == 32


def test_the_clip_of_a_checkpoint_on_the_hub_is_fetched(checkpoint, tmp_path, monkeypatch):
    asked = []

    def fetch(repo, allow_patterns):
        asked.append((repo, allow_patterns))
        return str(checkpoint)

    monkeypatch.setattr("spacetime_attn.pipeline_spacetime_attn.snapshot_download", fetch)
    pipe = SpaceTimeAttnPipeline.from_pretrained(checkpoint)
    pipe.register_to_config(_name_or_path="user/checkpoint")
    assert pipe.image_text_model().image_size == 32 and asked == [("user/checkpoint", "clip/*")]
    pipe.save_pretrained(tmp_path / "copy")
    assert (tmp_path / "copy" / "clip" / "model.safetensors").is_file()


def test_a_clip_that_is_not_there_is_named(pipe, checkpoint, tmp_path, caplog):
    pipe.clip_model = "./clip"
    with pytest.raises(ValueError, match="'./clip' lies beside a checkpoint, and the pipeline was not loaded"):
        run(pipe, layout=LAYOUT, optimize_weights=1)
    pipe.save_pretrained(tmp_path / "without")
    assert "`clip_model` './clip' is not saved along" in caplog.text
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path / "without")
    with pytest.raises(ValueError, match="without' has no folder './clip'"):
        run(loaded, layout=LAYOUT, optimize_weights=1)


# By themselves


def test_defaults_are_read_from_any_pipelines_config():
    own = Defaults(guided_strength=3, region_shape="box")
    assert Defaults.of(asdict(own)) == own
    assert Defaults.of({f"_{name}": value for name, value in asdict(own).items()}) == own
    assert Defaults.of({"sample_size": 64}) == Defaults()


def test_the_stock_pipeline_can_be_saved_after_another_predictor_was_set(pipe, tmp_path):
    for predictor in ("rules", lambda prompt, aspect_ratio: Layout()):
        pipe.layout_predictor = predictor
        pipe.stock.save_pretrained(tmp_path)
