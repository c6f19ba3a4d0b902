"""Blocks for diffusers' modular pipelines: exported, loaded as from the Hub, and put among diffusers' own."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from conftest import tiny_sdxl_components
from diffusers import (
    AdaptiveProjectedGuidance,
    AutoGuidance,
    ClassifierFreeGuidance,
    ControlNetModel,
    FluxAutoBlocks,
    FluxKontextAutoBlocks,
    FluxModularPipeline,
    HeunDiscreteScheduler,
    ModularPipeline,
    ModularPipelineBlocks,
    PerturbedAttentionGuidance,
    PNDMScheduler,
    SkipLayerGuidance,
    SmoothedEnergyGuidance,
    StableDiffusion3AutoBlocks,
    StableDiffusionXLAutoBlocks,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.utils import dynamic_modules_utils
from fake_hub import FakeHub
from PIL import Image
from transformer_pipelines import LAYOUT, PROMPT, flux, quiet, stable_diffusion_3

from spacetime_attn import Layout, Region, predict_layout, spacetime_attention
from spacetime_attn.cli import main
from spacetime_attn.modular import ControlledDenoiseStep, SpaceTimeBlocks
from spacetime_attn.processors.control import RegionalControl


def sdxl() -> StableDiffusionXLPipeline:
    """A tiny random one."""
    return quiet(StableDiffusionXLPipeline(**tiny_sdxl_components()))


FAMILIES = {  # by `model_name`: diffusers' pipeline, its modular blocks, and what a call is given
    "stable-diffusion-xl": (sdxl, StableDiffusionXLAutoBlocks, {"negative_prompt": "dark"}),
    "stable-diffusion-3": (
        stable_diffusion_3,
        StableDiffusion3AutoBlocks,
        {"negative_prompt": "dark", "max_sequence_length": 40},
    ),
    "flux": (flux, FluxAutoBlocks, {"max_sequence_length": 64}),
}
SIZE = {"height": 32, "width": 48}
NEGATED = LAYOUT.edit("a green bus", negative_prompt="a red car")
NOTHING = Layout(())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the command writes."""
    folder = tmp_path_factory.mktemp("export") / "spacetime_blocks"
    assert main(["export", "--modular", str(folder)]) == 0
    return folder


@pytest.fixture(autouse=True)
def modules(tmp_path, monkeypatch):
    """Loaded code is kept in a folder of the test."""
    monkeypatch.setattr(dynamic_modules_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "diffusers_modules"]:
        del sys.modules[name]


@pytest.fixture(params=FAMILIES)
def family(request) -> str:
    """Each family in turn."""
    return request.param


@pytest.fixture
def evaluations(monkeypatch) -> list[tuple[int, str, bool]]:
    """The weights' column of each evaluation, what its rows are, and whether anything acts there."""
    seen, begin_step = [], RegionalControl.begin_step

    def noted(control, column, evaluation):
        begin_step(control, column, evaluation)
        seen.append((column, evaluation.passes, control.step_weights is not None))

    monkeypatch.setattr(RegionalControl, "begin_step", noted)
    return seen


def with_components(blocks, stock) -> ModularPipeline:
    """A modular pipeline on the components of one of diffusers' own."""
    pipe = blocks.init_pipeline()
    pipe.update_components(**{name: stock.components[name] for name in pipe.null_component_names})
    pipe.set_progress_bar_config(disable=True)
    return pipe


def plain(family: str, stock, workflow: str = "text2image") -> ModularPipeline:
    """diffusers' own."""
    return with_components(FAMILIES[family][1]().get_workflow(workflow), stock)


def controlled(family: str, stock, workflow: str = "text2image") -> ModularPipeline:
    """The same with a layout first, and the denoising step under control."""
    blocks, ours = FAMILIES[family][1]().get_workflow(workflow), SpaceTimeBlocks(family).sub_blocks
    blocks.sub_blocks.insert("layout", ours["layout"], 0)
    blocks.sub_blocks["denoise.denoise"] = ControlledDenoiseStep(blocks.sub_blocks["denoise.denoise"])
    return with_components(blocks, stock)


def options(family: str, **others) -> dict:
    """Of a call of either kind of pipeline."""
    usual = {"prompt": PROMPT, "num_inference_steps": 3, "generator": torch.Generator().manual_seed(0)}
    return usual | SIZE | FAMILIES[family][2] | others


def draw(family: str, pipe: ModularPipeline, **others) -> torch.Tensor:
    """The latents of a run of three steps."""
    torch.manual_seed(0)
    return pipe(**options(family, **others), output="latents")


def draw_stock(family: str, stock, layout, weights=None, **others) -> torch.Tensor:
    """Those of diffusers' own pipeline within `spacetime_attention`, with the guider's scale."""
    scale = {} if family == "flux" else {"guidance_scale": 7.5 if family == "stable-diffusion-xl" else 7.0}
    torch.manual_seed(0)
    with spacetime_attention(stock, layout, blend="convex", weights=weights):
        latents = stock(**options(family, output_type="latent", **scale, **others)).images
    return stock._unpack_latents(latents, *SIZE.values(), stock.vae_scale_factor) if family == "flux" else latents


def close(first: torch.Tensor, second: torch.Tensor) -> bool:
    """But for rounding: one evaluation of two rows is not bit for bit two of one."""
    return torch.allclose(first, second, atol=1e-4)


# The folder


def test_the_folder_holds_what_diffusers_asks_for(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"block.py", "modular_config.json", "modular_model_index.json", "requirements.txt", "README.md"}
    config = json.loads((folder / "modular_config.json").read_text())
    assert config["auto_map"] == {"ModularPipelineBlocks": "block.SpaceTimeBlocks"}
    required = [f"{name}{version}" for name, version in config["requirements"].items()]
    assert (folder / "requirements.txt").read_text().split() == required


def test_it_may_be_written_again_but_not_over_other_files(tmp_path, capsys):
    assert main(["export", "--modular", str(tmp_path / "a"), "--assets-repo", "somebody/blocks"]) == 0
    assert '"somebody/blocks"' in (tmp_path / "a/README.md").read_text()
    assert main(["export", "--modular", str(tmp_path / "a")]) == 0
    (tmp_path / "a/block.py").write_text("mine")
    assert main(["export", "--modular", str(tmp_path / "a")]) == 2
    assert "holds files that no export wrote" in capsys.readouterr().err
    assert (tmp_path / "a/block.py").read_text() == "mine"


def test_code_that_is_not_trusted_does_not_run(folder):
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        ModularPipelineBlocks.from_pretrained(folder)


def test_blocks_come_from_the_hub(folder, tmp_path):
    code = (
        "from diffusers import ModularPipeline; planner = ModularPipeline.from_pretrained('user/spacetime_blocks',"
        " trust_remote_code=True); print(planner(prompt='a red cat and a bus', output='layout').phrases)"
    )
    with FakeHub({"user/spacetime_blocks": folder}) as hub:
        others = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}  # other caches
        place = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)}
        run = subprocess.run([sys.executable, "-c", code], env=others | place, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "['a red cat', 'a bus']\n"), run.stderr
    assert {"modular_config.json", "block.py", "modular_model_index.json"} <= set(hub.downloads())


def test_the_readme_of_the_folder_runs_as_written(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, "user/spacetime_blocks")
    sdxl().save_pretrained("stabilityai/stable-diffusion-xl-base-1.0")
    blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)
    for block in blocks:
        exec(block, {})
    assert len(blocks) == 2 and Image.open("apple.png").size == (32, 32)
    assert capsys.readouterr().out == 2 * f"{predict_layout('a red apple to the left of a blue car')}\n"


# Layouts


@pytest.fixture
def planner(folder) -> ModularPipeline:
    """A pipeline of the layout block alone."""
    return ModularPipeline.from_pretrained(folder, trust_remote_code=True)


def test_a_layout_needs_no_model(planner):
    assert planner.components == {}
    assert planner(prompt=PROMPT, output="layout") == predict_layout(PROMPT)
    assert "layout_predictor" in planner.doc


def test_a_prompt_that_is_no_text_is_refused(planner):
    for prompt in (3, ["a cat", 3]):
        with pytest.raises(TypeError, match="`prompt` has to be a string"):
            planner(prompt=prompt, output="layout")


def test_size_objects_preset_and_predictor_are_as_in_predict_layout(planner):
    given = {"height": 512, "width": 1024, "objects": ["a bus"], "preset": "official", "layout_predictor": "rules"}
    found = planner(prompt=PROMPT, **given, output="layout")
    assert found == predict_layout(PROMPT, **given)
    assert found.phrases == ["a bus"] and found.regions[0].disc is not None


def test_a_predictor_may_be_a_function(planner):
    asked = []

    def predictor(prompt, aspect_ratio):
        asked.append((prompt, aspect_ratio))
        return LAYOUT

    assert planner(prompt=PROMPT, height=256, width=512, layout_predictor=predictor, output="layout") == LAYOUT
    assert asked == [(PROMPT, 2.0)]


def test_the_language_model_is_given_beside_the_name_of_its_predictor(planner):
    def answer(text):
        return '{"objects": [{"phrase": "a bus", "box": [0.1, 0.2, 0.3, 0.4]}], "relations": []}'

    given = {"prompt": "a bus, in a town", "llm": answer, "output": "layout"}
    assert planner(**given, layout_predictor="llm")["a bus"].box == (0.1, 0.2, 0.3, 0.4)
    with pytest.raises(TypeError, match="`llm` is for"):
        planner(**given)


def test_several_prompts_get_a_layout_each(planner):
    prompts = [PROMPT, "a dog on a chair"]
    assert planner(prompt=prompts, output="layout") == [predict_layout(prompt) for prompt in prompts]


def test_a_layout_that_is_given_is_kept_as_it_is(planner):
    assert planner(prompt=PROMPT, layout=LAYOUT.to_dict(), output="layout") == LAYOUT
    assert planner(prompt=PROMPT, layout=[LAYOUT], output="layout") == [LAYOUT]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"prompt": [PROMPT, PROMPT], "objects": ["a bus"]}, "`objects` goes with a single `prompt`"),
        ({"prompt": PROMPT, "layout": LAYOUT, "objects": ["a bus"]}, "without `layout`"),
        ({"prompt": PROMPT, "layout_predictor": "magic"}, "`layout_predictor` has to be one of"),
        ({"prompt": PROMPT, "layout": 3}, "`layout` has to be a Layout, a dict or a path"),
    ],
)
def test_inputs_of_the_layout_that_make_no_sense_are_told(planner, given, error):
    with pytest.raises((TypeError, ValueError), match=error):
        planner(**given)


# Denoising


def test_the_blocks_of_a_family_are_loaded_by_its_name(folder, family):
    ours = ModularPipelineBlocks.from_pretrained(folder, trust_remote_code=True, model_name=family)
    assert list(ours.sub_blocks) == ["layout", "denoise"] and ours.model_name == family
    blocks, stock = FAMILIES[family][1]().get_workflow("text2image"), FAMILIES[family][0]()
    own = blocks.sub_blocks["denoise.denoise"]
    blocks.sub_blocks.insert("layout", ours.sub_blocks["layout"], 0)
    blocks.sub_blocks["denoise.denoise"] = ours.sub_blocks["denoise"]
    assert type(ours.sub_blocks["denoise"].denoise) is type(own)
    state, layout = with_components(blocks, stock)(**options(family)), predict_layout(PROMPT, **SIZE)
    assert torch.equal(state.get("latents"), draw(family, controlled(family, stock), layout=layout))
    assert len(state.get("images")) == 1 and state.get("layout") == layout


def test_without_regions_the_step_is_diffusers_own_bit_for_bit(family):
    stock = FAMILIES[family][0]()
    wanted, pipe = draw(family, plain(family, stock)), controlled(family, stock)
    assert torch.equal(draw(family, pipe, layout=NOTHING), wanted)
    assert torch.equal(draw(family, pipe, layout=LAYOUT, weights=0), wanted)
    blocks = pipe.blocks
    blocks.sub_blocks.pop("layout")
    assert torch.equal(draw(family, with_components(blocks, stock)), wanted)


TEXTS = {"prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"}


def test_without_regions_or_weights_no_text_encoder_is_needed(family):
    stock = FAMILIES[family][0]()
    state = plain(family, stock)(**options(family))
    blocks = controlled(family, stock).blocks
    blocks.sub_blocks.pop("text_encoder")
    pipe = with_components(blocks, stock)
    given = {name: value for name in TEXTS if (value := state.get(name)) is not None}
    for name in ("text_encoder", "text_encoder_2"):
        setattr(pipe, name, None)
    negated, silent = LAYOUT.edit(0, negative_prompt="dark"), LAYOUT.edit(0, strength=0).edit(1, strength=0)
    for off in ({"layout": NOTHING}, {"layout": negated, "weights": 0.0}, {"layout": silent}):
        assert torch.equal(draw(family, pipe, **given, **off), state.get("latents"))
    with pytest.raises(ValueError, match="the pipeline has no .*: load what is missing, or pass weights=0"):
        draw(family, pipe, **given, layout=LAYOUT)


def test_under_control_it_draws_what_the_stock_pipeline_does(family):
    stock = FAMILIES[family][0]()
    pipe, layout = controlled(family, stock), LAYOUT if family == "flux" else NEGATED
    weights = torch.tensor([[1, 0, 0.5], [0.2, 0.9, 0]])
    for given in (None, 1.0, weights):
        drawn = draw(family, pipe, layout=layout, weights=given)
        assert close(drawn, draw_stock(family, stock, layout, given))
        assert not close(drawn, draw(family, pipe, layout=NOTHING))


def test_regions_act_where_they_are(family):
    pipe = controlled(family, FAMILIES[family][0]())
    plain = draw(family, pipe, layout=NOTHING, num_inference_steps=1)
    for box, nearer in (((0, 0, 0.4, 1), slice(0, 9)), ((0.6, 0, 1, 1), slice(15, 24))):
        layout = Layout((Region("a green bus", box=box),))
        change = draw(family, pipe, layout=layout, weights=1.0, num_inference_steps=1) - plain
        columns = change.abs().mean((0, 1, 2))
        assert columns[nearer].mean() > 2 * columns.flip(0)[nearer].mean()


def test_descriptions_act_where_the_prompt_is_evaluated_and_negatives_where_the_negative_prompt_is(
    family, evaluations
):
    pipe = controlled(family, FAMILIES[family][0]())
    draw(family, pipe, layout=LAYOUT, preset="official")
    passes = [("conditional", True)] if family == "flux" else [("conditional", True), ("unconditional", False)]
    assert evaluations == [(column, *what) for column in range(3) for what in passes]
    if family != "flux":
        evaluations.clear()
        draw(family, pipe, layout=NEGATED, preset="official")
        passes[1] = ("unconditional", True)
        assert evaluations == [(column, *what) for column in range(3) for what in passes]


def test_batches_are_what_their_prompts_draw_alone(family):
    pipe = controlled(family, FAMILIES[family][0]())
    layouts, prompts = [LAYOUT, Layout(LAYOUT.regions[:1])], [PROMPT, "a bus"]
    negatives = {} if family == "flux" else {"negative_prompt": ["dark"] * 2}
    seeds = [torch.Generator().manual_seed(seed) for seed in range(2)]
    together = draw(family, pipe, prompt=prompts, layout=layouts, generator=seeds, **negatives)
    for number, picture in enumerate(together):
        own = {"prompt": prompts[number], "generator": torch.Generator().manual_seed(number)}
        assert close(picture[None], draw(family, pipe, layout=layouts[number], **own))


def test_several_pictures_of_a_prompt_are_controlled_alike(family):
    pipe = controlled(family, FAMILIES[family][0]())
    seeds = [torch.Generator().manual_seed(seed) for seed in range(2)]
    together = draw(family, pipe, layout=LAYOUT, num_images_per_prompt=2, generator=seeds)
    for number, picture in enumerate(together):
        alone = draw(family, pipe, layout=LAYOUT, generator=torch.Generator().manual_seed(number))
        assert close(picture[None], alone)


def test_texts_are_encoded_as_the_run_encodes_its_own():
    stock = sdxl()
    pipe = controlled("stable-diffusion-xl", stock)
    drawn = draw("stable-diffusion-xl", pipe, layout=NEGATED, clip_skip=1)
    assert close(drawn, draw_stock("stable-diffusion-xl", stock, NEGATED, clip_skip=1))
    stock = stable_diffusion_3()
    pipe, lengths = controlled("stable-diffusion-3", stock), []
    for length in (None, 30):
        lengths.append(draw("stable-diffusion-3", pipe, layout=LAYOUT, local_max_sequence_length=length))
    assert not torch.equal(*lengths)
    drawn = draw("stable-diffusion-3", pipe, layout=LAYOUT, local_prompt_template="{} in snow")
    assert not close(drawn, lengths[0])


@pytest.mark.parametrize(
    ("scheduler", "columns"), [(PNDMScheduler, [0, 0, 1, 2]), (HeunDiscreteScheduler, [0, 0, 1, 1, 2])]
)
def test_the_columns_are_those_of_the_scheduler(scheduler, columns, evaluations):
    stock = sdxl()
    stock.scheduler = scheduler.from_config(stock.scheduler.config, skip_prk_steps=True)
    draw("stable-diffusion-xl", controlled("stable-diffusion-xl", stock), layout=LAYOUT)
    assert [column for column, passes, _ in evaluations if passes == "conditional"] == columns


# Other steps, guiders and inputs


def test_image_to_image_begins_in_the_middle_of_the_weights(evaluations, family):
    stock, image = FAMILIES[family][0](), Image.new("RGB", (48, 32), "red")
    pipe = controlled(family, stock, "image2image")
    draw(family, pipe, layout=LAYOUT, image=image, strength=0.5, num_inference_steps=4)
    assert sorted({column for column, *_ in evaluations}) == [2, 3]


def test_image_to_image_draws_what_the_stock_pipeline_does():
    stock, family = sdxl(), "stable-diffusion-xl"
    given = {"image": Image.new("RGB", (48, 32), "red"), "strength": 0.7}
    drawn = draw(family, controlled(family, stock, "image2image"), layout=LAYOUT, **given)
    other = quiet(StableDiffusionXLImg2ImgPipeline(**stock.components))
    given["image"] = given["image"].resize((48, 32))
    torch.manual_seed(0)
    with spacetime_attention(other, LAYOUT, blend="convex"):
        kept = {name: value for name, value in options(family, **given).items() if name not in SIZE}
        wanted = other(**kept, guidance_scale=7.5, output_type="latent").images
    assert close(drawn, wanted)


def test_a_controlnet_acts_under_control():
    stock, family = sdxl(), "stable-diffusion-xl"
    controlnet = ControlNetModel.from_unet(stock.unet, conditioning_embedding_out_channels=(16, 32)).eval()
    torch.nn.init.normal_(controlnet.controlnet_mid_block.weight, std=0.2)
    other = quiet(StableDiffusionXLControlNetPipeline(**stock.components, controlnet=controlnet))
    edges = Image.radial_gradient("L").resize((48, 32)).convert("RGB")
    drawn = draw(family, controlled(family, other, "controlnet_text2image"), layout=NEGATED, control_image=edges)
    assert close(drawn, draw_stock(family, other, NEGATED, image=edges))
    assert not close(drawn, draw_stock(family, stock, NEGATED))


def test_inpainting_around_a_mask_draws_the_layout_of_that_part():
    stock, family = sdxl(), "stable-diffusion-xl"
    pipe, mask = controlled(family, stock, "inpainting"), Image.new("L", (96, 64), 0)
    mask.paste(255, part := (48, 16, 96, 48))  # as wide for its height as the picture that is drawn
    picture = Image.radial_gradient("L").resize(mask.size).convert("RGB")
    layout = Layout((Region("a cat", box=(0, 0, 0.3, 1)), Region("a green bus", box=(0.5, 0, 0.75, 1))))
    whole = {"image": picture, "mask_image": mask, "padding_mask_crop": 0, "strength": 0.99}
    weights = torch.tensor([[0.1, 0.1, 0.1], [0.8, 0.5, 0.2]])
    drawn = draw(family, pipe, layout=layout, weights=weights, **whole)
    seen = layout.cropped((0.5, 0.25, 1, 0.75))
    assert seen.phrases == ["a green bus"]
    inside = {"image": picture.crop(part), "mask_image": mask.crop(part), "strength": 0.99}
    assert close(drawn, draw(family, pipe, layout=seen, weights=weights[1:], **inside))
    assert not close(drawn, draw(family, pipe, layout=NOTHING, **whole))


def test_other_guiders_are_fine_where_they_leave_the_model_as_it_is(evaluations):
    stock, family = sdxl(), "stable-diffusion-xl"
    pipe = controlled(family, stock)
    for guider in (AdaptiveProjectedGuidance(guidance_scale=5.0), ClassifierFreeGuidance(5.0, start=0.5)):
        pipe.update_components(guider=guider)
        evaluations.clear()
        draw(family, pipe, layout=NEGATED)
        assert (2, "unconditional", True) in evaluations


@pytest.mark.parametrize(
    "guider",
    [
        AutoGuidance(auto_guidance_layers=[0], dropout=0.1),
        PerturbedAttentionGuidance(perturbed_guidance_layers=[0]),
        SkipLayerGuidance(skip_layer_guidance_layers=[0]),
        SmoothedEnergyGuidance(seg_guidance_layers=[0]),
    ],
    ids=lambda guider: type(guider).__name__,
)
def test_guiders_that_change_it_are_refused_by_name(guider):
    pipe = controlled("stable-diffusion-3", stable_diffusion_3())
    pipe.update_components(guider=guider)
    with pytest.raises(ValueError, match=f"do not go together with {type(guider).__name__}"):
        draw("stable-diffusion-3", pipe, layout=LAYOUT)


def test_a_prompt_that_diffusers_evaluates_twice_is_controlled_twice(evaluations):
    pipe = controlled("stable-diffusion-3", stable_diffusion_3())
    draw("stable-diffusion-3", pipe, layout=LAYOUT, negative_prompt=None, preset="official")
    assert evaluations == [(column, "conditional", True) for column in (0, 0, 1, 1, 2, 2)]


def test_attention_processors_of_others_are_called_for_what_is_blended():
    class Others(AttnProcessor2_0):
        pass

    stock, family = sdxl(), "stable-diffusion-xl"
    pipe = controlled(family, stock)
    wanted = draw(family, pipe, layout=NEGATED)
    stock.unet.set_attn_processor(Others())
    assert close(draw(family, pipe, layout=NEGATED), wanted)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_negative_prompt_that_nothing_evaluates_is_refused(family):
    pipe = controlled(family, FAMILIES[family][0]())
    if family != "flux":
        pipe.update_components(guider=ClassifierFreeGuidance(1.0))
    with pytest.raises(ValueError, match="`negative_prompt` of 'a green bus' needs classifier-free guidance"):
        draw(family, pipe, layout=NEGATED)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"weights": 2.0}, "0..1"),
        ({"weights": torch.ones(2, 5)}, r"\(objects, steps\) = \(2, 3\)"),
        ({"preset": "late"}, "`preset` has to be one of"),
        ({"local_prompt_template": "a photo"}, "`local_prompt_template` has to hold"),
        ({"local_max_sequence_length": 0}, "`local_max_sequence_length`"),
        ({"layout": [LAYOUT] * 2}, "no multiple of the 2 prompts"),
    ],
)
def test_inputs_of_the_step_that_make_no_sense_are_told(given, error):
    pipe = controlled("stable-diffusion-3", stable_diffusion_3())
    with pytest.raises(ValueError, match=error):
        draw("stable-diffusion-3", pipe, **{"layout": LAYOUT} | given)


def test_an_error_in_the_middle_leaves_nothing_patched(family):
    stock = FAMILIES[family][0]()
    wanted, pipe = draw(family, plain(family, stock)), controlled(family, stock)
    model = stock.components.get("unet") or stock.components["transformer"]
    before, step = snapshot(model), stock.scheduler.step
    stock.scheduler.step = None  # is called after the first evaluations
    with pytest.raises(TypeError):
        draw(family, pipe, layout=LAYOUT)
    stock.scheduler.step = step
    assert snapshot(model) == before
    assert torch.equal(draw(family, pipe, layout=NOTHING), wanted)


def snapshot(model) -> list:
    """What could be patched of a model."""
    return [
        (name, vars(module).get("forward"), len(module._forward_pre_hooks), len(module._forward_hooks))
        for name, module in model.named_modules()
    ]


def test_the_step_says_what_it_needs_and_takes(family):
    step = SpaceTimeBlocks(family).sub_blocks["denoise"]
    assert {*step.denoise.component_names, "text_encoder", "tokenizer_2"} <= set(step.component_names)
    assert {*step.denoise.input_names, "layout", "weights", "local_prompt_template"} <= set(step.input_names)
    own = step.input_names[len(step.denoise.inputs) :]
    assert len({*own}) == len(own) and not {*own} & {*step.denoise.input_names}
    assert step.intermediate_output_names == step.denoise.intermediate_output_names
    assert "layout" in step.doc and "ControlledDenoiseStep" in repr(step)


def test_what_is_no_denoising_step_of_these_families_is_refused():
    blocks = FluxAutoBlocks().sub_blocks
    with pytest.raises(TypeError, match="denoising steps, got FluxTextEncoderStep"):
        ControlledDenoiseStep(blocks["text_encoder"])
    kontext = FluxKontextAutoBlocks().get_workflow("text2image").sub_blocks["denoise.denoise"]
    with pytest.raises(ValueError, match="'flux-kontext'"):
        ControlledDenoiseStep(kontext)
    with pytest.raises(ValueError, match="`model_name` has to be one of 'stable-diffusion-xl'"):
        SpaceTimeBlocks("wan")
    assert isinstance(SpaceTimeBlocks("flux").init_pipeline(), FluxModularPipeline)
