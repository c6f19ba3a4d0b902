"""Weights optimised through CLIP: the objective, the optimiser by itself, and the pipeline's part."""

import json
import math

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverSDEScheduler
from transformers import SiglipConfig, SiglipModel

from spacetime_attn import Layout, Region, SpaceTimeAttnPipeline, WeightOptimizer
from spacetime_attn.processors.attention import RegionalAttnProcessor
from spacetime_attn.processors.clip_objective import ClipObjective, ImageTextModel
from spacetime_attn.processors.optimizer import cosines
from spacetime_attn.processors.weight_files import save_weights


PROMPT = "a red cat to the left of a green bus"
LAYOUT = Layout((Region("a red cat", box=(0, 0.2, 0.5, 0.8)), Region("a green bus", disc=(0.75, 0.5, 0.2))))


def run(pipe, prompt=PROMPT, seed=0, **options):
    options = {"num_inference_steps": 3, "output_type": "pt", "generator": torch.manual_seed(seed)} | options
    return pipe(prompt, **{"layout": LAYOUT} | options)


# The objective


def distances(clip, images, windows=((0.0, 0.0, 0.5, 1.0), (0.5, 0.25, 1.0, 0.75)), **options):
    return ClipObjective(clip, [PROMPT], ["a red cat", "a green bus"], [0, 0], windows, **options)(images)


def test_the_objective_is_the_sum_of_the_whole_and_the_weighted_crops(clip):
    images = torch.rand(1, 3, 32, 32)
    crop = torch.nn.functional.interpolate(images[:, :, :, :16], (32, 32), mode="bilinear", antialias=True)
    texts = clip.text_features([PROMPT, "a red cat"])
    seen = clip.image_features(torch.cat([images, crop]))
    whole, local = (1 - (seen * texts).sum(-1)).tolist()
    found = ClipObjective(clip, [PROMPT], ["a red cat"], [0], [(0, 0, 0.5, 1)], local_factor=3.0)(images)
    assert found.tolist() == pytest.approx([whole + 3 * local], abs=1e-5)
    alone = ClipObjective(clip, [PROMPT], ["a red cat"], [0], [(0, 0, 0.5, 1)], local_factor=0.0)(images)
    assert alone.tolist() == pytest.approx([whole], abs=1e-5)


def test_what_lies_outside_the_windows_matters_to_the_whole_only(clip):
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    ClipObjective(clip, ["x"], ["a"], [0], [(0, 0, 0.5, 0.5)], local_factor=1.0)(images).sum().backward()
    whole = torch.rand(1, 3, 32, 32)
    whole.data.copy_(images.data)
    whole.requires_grad_()
    ClipObjective(clip, ["x"], [], [], [])(whole).sum().backward()
    torch.testing.assert_close(images.grad[:, :, 16:], whole.grad[:, :, 16:])
    assert not torch.allclose(images.grad[:, :, :16, :16], whole.grad[:, :, :16, :16])


def test_every_picture_of_a_batch_has_its_own_distance(clip):
    images = torch.rand(2, 3, 40, 24)
    both = ClipObjective(clip, ["one", "two"], ["a", "b", "c"], [0, 1, 1], [(0, 0, 0.5, 1)] * 3)(images)
    first = ClipObjective(clip, ["one"], ["a"], [0], [(0, 0, 0.5, 1)])(images[:1])
    second = ClipObjective(clip, ["two"], ["b", "c"], [0, 0], [(0, 0, 0.5, 1)] * 2)(images[1:])
    torch.testing.assert_close(both, torch.cat([first, second]))


def test_windows_may_reach_out_of_the_picture_and_keep_a_pixel(clip):
    images = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(
        distances(clip, images, [(-1, -1, 0.5, 1.0), (0.5, 0.25, 3, 0.75)]),
        distances(clip, images, [(0, 0, 0.5, 1.0), (0.5, 0.25, 1, 0.75)]),
    )
    assert distances(clip, images, [(0.99, 0.99, 1, 1), (1.2, 1.2, 1.4, 1.4)]).isfinite().all()


def test_the_models_own_statistics_are_applied_unless_the_official_way_is_asked_for(clip):
    pixels = torch.rand(1, 3, 32, 32)
    statistics = ImageTextModel(clip.model, clip.tokenizer, mean=(0, 0, 0), std=(1, 1, 1))
    torch.testing.assert_close(clip.image_features(pixels, normalize=False), statistics.image_features(pixels))
    assert not torch.allclose(clip.image_features(pixels), statistics.image_features(pixels))


@pytest.mark.parametrize("side", [24, 32, 48, 64])
def test_the_official_whole_picture_is_averaged_over_areas(clip, side):
    flat = torch.full((1, 3, side, side), 0.25)
    flat[..., side // 2 :] = 0.75
    objective = ClipObjective(clip, ["x"], [], [], [], official=True)
    small = torch.full((1, 3, 32, 32), 0.25)
    small[..., 16:] = 0.75
    torch.testing.assert_close(objective(flat), objective(small))


def test_a_model_is_loaded_from_a_folder_with_its_statistics(clip, tmp_path):
    save(clip, tmp_path, {"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3]})
    loaded = ImageTextModel.from_pretrained(tmp_path)
    assert loaded.mean == (0.1, 0.2, 0.3) and loaded.std == (1, 2, 3)
    torch.testing.assert_close(loaded.text_features([PROMPT]), clip.text_features([PROMPT]))


def save(clip, folder, preprocessing=None) -> None:
    clip.model.save_pretrained(folder)
    clip.tokenizer.save_pretrained(folder)
    preprocessing = {"image_processor_type": "CLIPImageProcessor"} | (preprocessing or {})
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing))


def test_siglip_judges_as_well(clip):
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = tower | {"vocab_size": len(clip.tokenizer), "projection_size": 32, "max_position_embeddings": 64}
    siglip = SiglipModel(SiglipConfig(text_config=text, vision_config=tower | {"image_size": 32, "patch_size": 8}))
    judge = ImageTextModel(siglip, clip.tokenizer, (0.5,) * 3, (0.5,) * 3)
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    found = distances(judge, images)
    found.sum().backward()
    assert found.shape == (1,) and images.grad.abs().sum() > 0


# The optimiser by itself


def towards(target: torch.Tensor):
    """A toy: the picture is its weights, and the distance is that to a target."""

    def measure(images):
        return (images - target).square().sum((1, 2))

    return lambda weights, noise: weights[None], lambda latents: latents, measure


def test_the_distance_falls_and_the_best_weights_are_kept():
    target = torch.full((2, 5), 1.5)
    optimizer = WeightOptimizer(epochs=8, noises=1, learning_rate=0.1)
    result = optimizer.minimise(torch.ones(2, 5), [0, 0], "guided", *towards(target))
    history = result.loss_history[0]
    assert len(history) == 8 and history[-1] < 0.2 * history[0]
    torch.testing.assert_close((result.weights - target).square().sum(), history.min())


def test_a_step_that_is_too_long_is_undone_by_keeping_the_best():
    optimizer = WeightOptimizer(epochs=3, noises=1, learning_rate=50.0)
    result = optimizer.minimise(torch.ones(2, 5), [0, 0], "guided", *towards(torch.full((2, 5), 1.5)))
    assert result.loss_history[0].argmin() == 0
    torch.testing.assert_close(result.weights, torch.ones(2, 5))


def test_the_last_weights_are_kept_where_that_is_asked_for():
    optimizer = WeightOptimizer(epochs=2, noises=1, learning_rate=50.0, keep="last")
    result = optimizer.minimise(torch.ones(2, 5), [0, 0], "guided", *towards(torch.full((2, 5), 1.5)))
    assert (result.weights > 40).all()


def test_it_stops_when_no_picture_gets_better():
    optimizer = WeightOptimizer(epochs=10, noises=1, learning_rate=50.0, patience=2)
    result = optimizer.minimise(torch.ones(1, 5), [0], "guided", *towards(torch.full((1, 5), 1.5)))
    assert result.loss_history.shape == (1, 3)


def test_the_last_of_many_pictures_is_waited_for():
    optimizer = WeightOptimizer.paper(epochs=6, learning_rate=50.0)
    result = optimizer.minimise(torch.ones(1, 5), [0], "guided", *towards(torch.full((1, 5), 1.5)))
    assert result.loss_history.shape == (1, 6)


@pytest.mark.parametrize("noises", [1, 3])
def test_pictures_without_a_distance_are_never_the_best(noises):
    distances = iter([torch.tensor([2.0]), torch.tensor([math.nan]), torch.tensor([1.0])] * 2)

    def measure(images):
        return images.sum() * 0 + next(distances)

    result = WeightOptimizer(epochs=3, noises=noises, learning_rate=0.1).minimise(
        torch.ones(1, 4), [0], "guided", lambda weights, noise: weights, lambda latents: latents, measure
    )
    assert result.weights.isfinite().all() and result.noise.tolist() == [noises - 1]
    assert result.loss_history[0, 0] == 2 and result.loss_history[0, 1].isnan()


@pytest.mark.parametrize("noises", [1, 3])
@pytest.mark.parametrize("ends", [1, 2])
def test_an_unfinished_picture_counts_only_if_there_is_no_other(noises, ends):
    told = []

    def report(distances):
        told.append(distances)
        return len(told) == ends

    draw, *others = towards(torch.full((1, 5), 1.5))
    optimizer = WeightOptimizer(epochs=3, noises=noises, learning_rate=0.1)
    result = optimizer.minimise(torch.ones(1, 5), [0], "guided", draw, *others, report)
    assert len(told) == ends and result.loss_history.shape == (1, 1)
    torch.testing.assert_close(result.weights, torch.ones(1, 5))


def test_pictures_of_a_batch_keep_each_its_own_best():
    target = torch.tensor([[1.0] * 4, [9.0] * 4])

    def measure(images):
        return (images[0] - target).square().sum(1)

    result = WeightOptimizer(epochs=4, noises=1, learning_rate=1.0).minimise(
        torch.ones(2, 4), [0, 1], "guided", lambda weights, noise: weights[None], lambda latents: latents, measure
    )
    torch.testing.assert_close(result.weights[0], torch.ones(4))
    assert (result.weights[1] > 3).all()


def test_each_picture_gets_the_noise_it_looks_best_with_and_then_its_weights():
    noises = torch.tensor([[3.0, 1.0], [0.5, 2.0], [4.0, 4.0]])  # (noises, pictures)

    def draw(weights, noise):
        return noises[noise, torch.arange(2)] + weights.square().sum(1)

    result = WeightOptimizer(epochs=5, noises=3, learning_rate=0.1).minimise(
        torch.ones(2, 4), [0, 1], "guided", draw, lambda latents: latents, lambda images: images
    )
    assert result.noise.tolist() == [1, 0]
    assert (result.loss_history[:, :3] - noises.T).tolist() == [[4.0] * 3] * 2
    assert (result.loss_history[:, 3] < result.loss_history[:, :3].amin(1)).all()
    torch.testing.assert_close(draw(result.weights, result.noise), result.loss_history.amin(1))


def test_convex_weights_stay_in_0_1():
    optimizer = WeightOptimizer(epochs=30, noises=1, learning_rate=1.0, patience=30, keep="last")
    result = optimizer.minimise(torch.full((1, 4), 0.5), [0], "convex", *towards(torch.full((1, 4), 5.0)))
    assert (result.weights > 0.95).all() and (result.weights <= 1).all()


def test_convex_weights_begin_where_they_are_to():
    given = torch.tensor([[0.0, 0.3, 1.0]])
    result = WeightOptimizer(epochs=1).minimise(given, [0], "convex", *towards(torch.ones(1, 3)))
    assert result.loss_history.item() == pytest.approx(1 + 0.49)
    moved = WeightOptimizer(epochs=2, noises=1, learning_rate=1.0).minimise(
        given, [0], "convex", *towards(torch.full((1, 3), 0.5))
    )
    assert 0 < moved.weights[0, 0] < 0.01 and 0.99 < moved.weights[0, 2] < 1 and moved.weights[0, 1] > 0.35


def test_a_basis_makes_the_weights_smooth():
    wanted = torch.randn(1, 20)
    result = WeightOptimizer(epochs=5, noises=1, learning_rate=0.3, basis=3, keep="last").minimise(
        torch.ones(1, 20), [0], "guided", *towards(wanted)
    )
    shapes = cosines(3, 20)
    change = result.weights - 1
    outside = change - change @ torch.linalg.pinv(shapes) @ shapes
    assert change.abs().max() > 0.1 and outside.abs().max() < 1e-5


@pytest.mark.parametrize(
    "options",
    [{"epochs": 0}, {"epochs": 2.0}, {"learning_rate": -1}, {"keep": "first"}, {"basis": 0}, {"patience": 0}]
    + [{"noises": 0}, {"noises": 7}],
)
def test_bad_settings_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        WeightOptimizer(**options)


def test_all_pictures_are_for_the_noise_unless_it_is_given():
    assert [WeightOptimizer(epochs=epochs).num_noises for epochs in (1, 2, 6)] == [1, 2, 6]
    given = WeightOptimizer(epochs=6, learning_rate=0.2).from_given_noise()
    assert (given.epochs, given.num_noises, given.learning_rate) == (6, 1, 0.2)
    given = WeightOptimizer(epochs=6, noises=3).from_given_noise()
    assert (given.epochs, given.num_noises) == (4, 1)


# In the pipeline


def test_the_picture_is_that_of_the_weights_found(pipe, clip):
    optimizer = WeightOptimizer(epochs=3, noises=1, learning_rate=0.5, local_factor=5.0, clip=clip)
    found = run(pipe, optimize_weights=optimizer)
    assert found.loss_history.shape == (1, 3)
    assert found.weights.shape == (1, 2, 3) and not torch.equal(found.weights, run(pipe).weights)
    torch.testing.assert_close(run(pipe, weights=found.weights).images, found.images)
    expected = ClipObjective(
        clip, [PROMPT], ["a photo of a red cat", "a photo of a green bus"], [0, 0], [r.bounds for r in LAYOUT.regions]
    )(found.images)
    assert expected.item() == pytest.approx(found.loss_history.min().item(), abs=1e-4)


def test_the_first_picture_tried_is_the_one_without_optimisation(pipe, clip):
    found = run(pipe, optimize_weights=WeightOptimizer(epochs=1, noises=1, clip=clip))
    plain = run(pipe)
    torch.testing.assert_close(found.images, plain.images)
    torch.testing.assert_close(found.weights, plain.weights)


@pytest.mark.parametrize("epochs", [3, 5])
def test_the_picture_is_that_of_the_noise_and_weights_found(pipe, clip, epochs):
    optimizer = WeightOptimizer(epochs=epochs, noises=3, learning_rate=0.5, patience=5, clip=clip)
    found = run(pipe, seed=1, optimize_weights=optimizer)
    assert found.loss_history.shape == (1, epochs)
    assert found.loss_history[0, 0] == run(pipe, seed=1, optimize_weights=WeightOptimizer(1, clip=clip)).loss_history
    assert found.loss_history[0, :3].argmin() != 0  # with this seed
    again = run(pipe, latents=found.latents, weights=found.weights)
    torch.testing.assert_close(again.images, found.images)


def test_a_file_of_weights_brings_the_noise_unless_another_is_given_or_the_size_differs(pipe, clip, tmp_path):
    optimizer = WeightOptimizer(epochs=3, noises=3, clip=clip)
    found, file = run(pipe, seed=1, optimize_weights=optimizer), tmp_path / "w.safetensors"
    save_weights(file, found.weights[0], "guided", LAYOUT.phrases, found.latents[0])
    torch.testing.assert_close(run(pipe, seed=1, weights=file).images, found.images)
    assert torch.equal(run(pipe, seed=2, weights=file).images, run(pipe, seed=1, weights=file).images)
    options = {"latents": torch.randn(1, 4, 8, 8)}, {"height": 48}, {"num_images_per_prompt": 2}
    for changes in options:
        pictures = [run(pipe, seed=1, weights=weights, **changes).images for weights in (file, found.weights)]
        torch.testing.assert_close(*pictures)


def test_given_noise_is_the_only_one(pipe, clip):
    latents = torch.randn(1, 4, 8, 8)
    for noises in (3, 2):
        found = run(pipe, latents=latents, optimize_weights=WeightOptimizer(epochs=3, noises=noises, clip=clip))
        assert torch.equal(found.latents, latents) and found.loss_history.shape == (1, 4 - noises)


def test_the_bar_ends_where_the_optimisation_does(pipe, clip, monkeypatch):
    bars = []
    pipe.set_progress_bar_config(disable=False)
    make = pipe.progress_bar
    monkeypatch.setattr(pipe, "progress_bar", lambda **options: bars.append(make(**options)) or bars[-1])
    for epochs, noises in ((1, 1), (3, 1), (3, 3), (5, 2)):
        run(pipe, optimize_weights=WeightOptimizer(epochs=epochs, noises=noises, patience=5, clip=clip))
        assert bars[-1].n == bars[-1].total


def test_the_same_seed_gives_the_same_weights(pipe, clip):
    optimizer = WeightOptimizer(epochs=3, noises=1, learning_rate=0.5, clip=clip)
    first, second = (run(pipe, optimize_weights=optimizer) for _ in range(2))
    assert torch.equal(first.weights, second.weights)


def test_noise_between_the_steps_is_the_same_in_every_epoch(pipe, clip):
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    found = run(pipe, eta=1.0, optimize_weights=WeightOptimizer(epochs=3, noises=1, learning_rate=1e-9, clip=clip))
    assert found.loss_history.std() < 1e-5


@pytest.mark.parametrize("noises", [1, 2])
def test_what_was_found_makes_the_picture_again_where_schedulers_add_noise(pipe, clip, noises):
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    optimizer = WeightOptimizer(epochs=3, noises=noises, learning_rate=0.5, clip=clip)
    found = run(pipe, eta=1.0, optimize_weights=optimizer)
    again = run(pipe, eta=1.0, weights=found.weights, latents=found.latents)
    torch.testing.assert_close(again.images, found.images)
    assert torch.equal(again.latents, found.latents)


def test_schedulers_that_draw_other_noise_in_every_run_are_refused(pipe, clip):
    pipe.scheduler = DPMSolverSDEScheduler.from_config(pipe.scheduler.config)
    with pytest.raises(ValueError, match="noise_sampler_seed=0"):
        run(pipe, optimize_weights=WeightOptimizer(epochs=2, clip=clip))
    pipe.scheduler = DPMSolverSDEScheduler.from_config(pipe.scheduler.config, noise_sampler_seed=0)
    found = run(pipe, optimize_weights=WeightOptimizer(epochs=3, noises=1, learning_rate=1e-9, clip=clip))
    assert found.loss_history.std() < 1e-5


def test_callbacks_see_tensors_without_gradients(pipe, clip):
    def look(pipe, step, timestep, kwargs):
        kwargs["latents"].numpy()
        return kwargs

    optimizer = WeightOptimizer(epochs=3, noises=1, learning_rate=0.5, clip=clip)
    expected = run(pipe, optimize_weights=optimizer)
    found = run(pipe, optimize_weights=optimizer, callback_on_step_end=look)
    torch.testing.assert_close(found.weights, expected.weights)


def test_without_a_generator_all_epochs_share_one_noise(pipe, clip):
    optimizer = WeightOptimizer(epochs=3, noises=1, learning_rate=1e-9, clip=clip)
    torch.manual_seed(7)
    options = {"layout": LAYOUT, "num_inference_steps": 3, "output_type": "pt", "optimize_weights": optimizer}
    first, second = (pipe(PROMPT, **options) for _ in range(2))
    assert first.loss_history.std() < 1e-5
    assert not torch.equal(first.images, second.images)


def test_each_picture_of_a_batch_is_optimised_as_if_alone(pipe, clip):
    other = Layout((Region("a bird", box=(0.2, 0.2, 0.7, 0.7)),))
    optimizer = WeightOptimizer(epochs=2, noises=1, learning_rate=0.5, clip=clip)
    generators = [torch.Generator().manual_seed(seed) for seed in range(4)]
    batch = run(
        pipe,
        [PROMPT, "a bird"],
        layout=[LAYOUT, other],
        generator=generators,
        num_images_per_prompt=2,
        optimize_weights=optimizer,
    )
    assert batch.weights.shape == (4, 2, 3) and len(batch.layouts) == 4 and batch.loss_history.shape == (4, 2)
    alone = run(pipe, "a bird", 3, layout=other, optimize_weights=optimizer)
    torch.testing.assert_close(batch.images[3], alone.images[0], atol=1e-3, rtol=0)
    torch.testing.assert_close(batch.weights[3, :1], alone.weights[0], atol=1e-3, rtol=0)


def test_convex_control_without_guidance_is_optimised_too(pipe, clip):
    optimizer = WeightOptimizer(epochs=3, noises=1, learning_rate=2.0, clip=clip)
    found = run(pipe, guidance_scale=1.0, optimize_weights=optimizer)
    assert found.loss_history.shape == (1, 3) and ((found.weights >= 0) & (found.weights <= 1)).all()


def test_a_number_means_that_many_pictures_judged_by_the_checkpoints_own_clip(pipe, clip, tmp_path):
    pipe.register_to_config(clip_model="./judge")
    pipe.save_pretrained(tmp_path)
    (tmp_path / "judge").mkdir()
    save(clip, tmp_path / "judge")
    loaded = SpaceTimeAttnPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    assert run(loaded, optimize_weights=2).loss_history.shape == (1, 2)


def test_a_prompt_without_objects_is_drawn_as_it_is(pipe, clip):
    found = run(pipe, layout=Layout(), optimize_weights=WeightOptimizer(clip=clip))
    assert found.loss_history is None
    torch.testing.assert_close(found.images, run(pipe, layout=Layout()).images)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_optimisation_leaves_no_trace(pipe, clip, interruption):
    processors = dict(pipe.unet.attn_processors)
    before = run(pipe).images

    def stop(pipe, step, timestep, values):
        raise interruption

    with pytest.raises(interruption):
        run(pipe, optimize_weights=WeightOptimizer(clip=clip), callback_on_step_end=stop)
    assert not any(isinstance(p, RegionalAttnProcessor) for p in pipe.unet.attn_processors.values())
    assert all(pipe.unet.attn_processors[name] is processor for name, processor in processors.items())
    assert all(weight.requires_grad for weight in [*pipe.unet.parameters(), *clip.model.parameters()])
    torch.testing.assert_close(run(pipe).images, before)


def test_interrupting_from_a_callback_ends_the_optimisation(pipe, clip):
    def stop(pipe, step, timestep, values):
        pipe._interrupt = True
        return values

    found = run(pipe, optimize_weights=WeightOptimizer(clip=clip), callback_on_step_end=stop)
    assert found.loss_history.shape == (1, 1)


def test_running_out_of_memory_says_what_helps(pipe, clip):
    def fail(pipe, step, timestep, values):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError, match="recompute_layers=True.*half precision.*smaller"):
        run(pipe, optimize_weights=WeightOptimizer(clip=clip), callback_on_step_end=fail)


@pytest.mark.parametrize("value, error", [("3", TypeError), (0, ValueError), (True, TypeError), (2.5, TypeError)])
def test_bad_requests_are_refused(pipe, value, error):
    with pytest.raises(error, match="optimize_weights|epochs"):
        run(pipe, optimize_weights=value)


def test_embeddings_alone_cannot_be_judged(pipe, clip):
    embeds, negative = pipe.encode_prompt(PROMPT, "cpu", 1, True)
    with pytest.raises(ValueError, match="pass `prompt`"):
        run(
            pipe,
            None,
            prompt_embeds=embeds,
            negative_prompt_embeds=negative,
            optimize_weights=WeightOptimizer(clip=clip),
        )


def test_inference_mode_is_refused(pipe, clip):
    with torch.inference_mode(), pytest.raises(ValueError, match="inference_mode"):
        run(pipe, optimize_weights=WeightOptimizer(clip=clip))


def test_a_scheduler_without_gradients_is_refused(pipe, clip):
    class Cut(DDIMScheduler):
        def step(self, model_output, *args, **options):
            return super().step(model_output.detach(), *args, **options)

    pipe.scheduler = Cut.from_config(pipe.scheduler.config)
    with pytest.raises(ValueError, match="Cut, whose steps are not differentiable"):
        run(pipe, optimize_weights=WeightOptimizer(clip=clip))


def test_the_bar_counts_evaluations_and_shows_the_distance(pipe, clip, capsys):
    pipe.set_progress_bar_config(disable=False)
    run(pipe, optimize_weights=WeightOptimizer(epochs=2, noises=1, clip=clip))
    shown = capsys.readouterr().err
    assert "12/12" in shown and "loss=" in shown  # PLMS: 4 evaluations, forth, back and forth


def test_there_is_a_bar_where_nobody_has_set_one_up(pipe, clip, capsys):
    for owner in (pipe, pipe._stock):
        vars(owner).pop("_progress_bar_config", None)
    for _ in range(2):  # also when the stock pipeline has made one since
        run(pipe, optimize_weights=WeightOptimizer(epochs=2, noises=1, clip=clip))
        shown = capsys.readouterr().err
        assert "12/12" in shown and "epoch=2/2" in shown and "3/3" in shown
