"""Icon world's judge: what it reads from its maps, what it is trained on, what it stores."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from spacetime_attn.examples.icon_world.detection import Detection, intersection_over_union, keep_best
from spacetime_attn.examples.icon_world.judge import IconJudge
from spacetime_attn.examples.icon_world.scenes import IconObject, Scene, pack, sample_scene
from spacetime_attn.examples.icon_world.sprites import Atlas
from spacetime_attn.examples.icon_world.things import CATEGORIES, COLOURS, SIZE
from spacetime_attn.examples.icon_world.train_judge import (
    Painter,
    distort,
    judge_loss,
    measure,
    reframe,
    target_maps,
    train_judge,
)


WHITE = ((255, 255, 255),) * 4


@pytest.fixture
def judge():
    """Untrained, of the world's categories and colours."""
    torch.manual_seed(0)
    return IconJudge(list(CATEGORIES), list(COLOURS)).eval()


@pytest.fixture
def atlas():
    """Sprites without a font: discs, each in its own colour."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :64] - 31.5
    inside = (rows**2 + columns**2 < 32**2)[..., None]
    colours = rng.integers(0, 256, (len(CATEGORIES), 1 + len(COLOURS), 1, 1, 3))
    alpha = np.broadcast_to(255 * inside, colours.shape[:2] + inside.shape)
    pixels = np.concatenate([colours * inside, alpha], axis=-1)
    return Atlas(pixels.astype(np.uint8))


def maps_of(scenes):
    """The maps that a perfect network would give for scenes."""
    _, indices, boxes = pack(scenes)
    heat, colours, sides = target_maps(indices, boxes, SIZE // 4)
    logits = torch.logit(heat.clamp(1e-4, 1 - 1e-4))
    colour_logits = torch.nn.functional.one_hot(colours.clamp(min=0), 1 + len(COLOURS)).permute(0, 3, 1, 2).float()
    return logits, sides, colour_logits


def seen(judge, monkeypatch, scenes):
    """What the judge reads from the perfect maps of scenes."""
    monkeypatch.setattr(judge, "forward", lambda pixels: maps_of(scenes))
    return judge.detect([np.zeros((SIZE, SIZE, 3), np.uint8)] * len(scenes))


def test_reads_every_object_from_perfect_maps(judge, monkeypatch):
    rng = random.Random(0)
    scenes = [sample_scene(rng) for _ in range(100)]
    for scene, detections in zip(scenes, seen(judge, monkeypatch, scenes)):
        assert len(detections) == len(scene.objects)
        for item in scene.objects:
            (match,) = [each for each in detections if intersection_over_union(each.box, item.box) > 0.99]
            assert (match.category, match.colour) == (item.category, item.colour)


def test_finds_several_instances_of_one_category(judge, monkeypatch):
    boxes = [(0.1, 0.1, 0.35, 0.35), (0.4, 0.1, 0.65, 0.35), (0.1, 0.6, 0.35, 0.85)]
    scene = Scene(tuple(IconObject("apple", "red", box) for box in boxes), WHITE)
    (detections,) = seen(judge, monkeypatch, [scene])
    assert sorted(each.box for each in detections) == [pytest.approx(box) for box in sorted(boxes)]


def test_scores_below_the_threshold_are_nothing(judge, monkeypatch):
    scene = Scene((IconObject("cat", None, (0.2, 0.2, 0.6, 0.6)),), WHITE)
    strict = IconJudge(list(CATEGORIES), list(COLOURS), threshold=0.99999).eval()
    assert seen(strict, monkeypatch, [scene]) == [[]]
    assert len(seen(judge, monkeypatch, [scene])[0]) == 1


def test_one_thing_is_not_seen_twice():
    best = Detection("cat", None, (0.2, 0.2, 0.6, 0.6), 0.9)
    double = Detection("dog", None, (0.22, 0.2, 0.62, 0.6), 0.5)
    beside = Detection("cat", None, (0.5, 0.2, 0.9, 0.6), 0.4)
    assert keep_best([double, beside, best]) == [best, beside]


def test_overlap_of_boxes():
    assert intersection_over_union((0, 0, 0.5, 1), (0.25, 0, 0.75, 1)) == pytest.approx(1 / 3)
    assert intersection_over_union((0, 0, 0.5, 1), (0.5, 0, 1, 1)) == 0
    assert intersection_over_union((0, 0, 1, 1), (0, 0, 1, 1)) == 1


def test_takes_pictures_of_any_size_and_stays_small_on_disk(judge, tmp_path):
    judge.half().save_pretrained(tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 1.5e6
    again = IconJudge.from_pretrained(tmp_path, threshold=0.01)
    assert again.dtype == torch.float32 and again.config.threshold == 0.01
    picture = Image.effect_noise((200, 150), 80)
    first, second = again.detect([picture, np.asarray(picture.convert("RGB"))])
    assert first == second and first
    assert all(0 <= side <= 1 for each in first for side in each.box)


def test_paints_broken_icons_without_a_label(atlas):
    scenes = pack([Scene((IconObject("cat", None, (0.2, 0.2, 0.6, 0.6)),), WHITE)] * 8)
    whole_pixels, whole, _ = Painter(atlas, "cpu", broken=0.0)(scenes)
    broken_pixels, broken, _ = Painter(atlas, "cpu", broken=1.0)(scenes)
    assert whole_pixels.shape == broken_pixels.shape == (8, 3, SIZE, SIZE)
    assert (whole[:, 0] >= 0).all() and (broken == -1).all()


def test_reframing_moves_boxes_with_the_pixels():
    torch.manual_seed(0)
    pixels = torch.zeros(20, 1, 80, 80)
    pixels[:, :, 24:48, 32:64] = 1
    indices, boxes = torch.zeros(20, 1, dtype=torch.long), torch.tensor([[0.4, 0.3, 0.8, 0.6]]).expand(20, 1, 4)
    pixels, indices, boxes = reframe(pixels, indices, boxes)
    assert (indices == 0).all()
    for picture, box in zip(pixels[:, 0] > 0.5, boxes[:, 0] * 80):
        rows, columns = picture.nonzero().T
        edges = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert (edges - box).abs().max() < 1.5


def test_distortions_keep_what_is_there():
    torch.manual_seed(0)
    pixels = torch.zeros(16, 3, 96, 96)
    pixels[:, :, 30:60, 30:60] = 1
    distorted = distort(pixels)
    assert distorted.shape == pixels.shape and 0 <= distorted.min() and distorted.max() <= 1
    inside, outside = distorted[..., 38:52, 38:52].mean(dim=(1, 2, 3)), distorted[..., :20].mean(dim=(1, 2, 3))
    assert (inside > outside + 0.5).all()


def test_the_loss_is_least_for_what_is_right(atlas):
    rng = random.Random(0)
    scenes = [sample_scene(rng) for _ in range(8)]

    def painter(batch):
        return torch.zeros(8, 3, SIZE, SIZE), batch.indices, batch.boxes

    def loss(heat, sides, colours):
        return judge_loss(lambda pixels: (heat, sides, 20 * colours), painter, pack(scenes)).item()

    heat, sides, colours = maps_of(scenes)
    right = loss(heat, sides, colours)
    assert right < 0.1
    assert loss(heat.roll(2, dims=3), sides, colours) > right + 1
    assert loss(heat, sides + 1, colours) > right + 0.1
    assert loss(heat, sides, colours.roll(1, dims=1)) > right + 1


@pytest.mark.parametrize("overlaps", [0.0, 1.0])
def test_trains_saves_and_measures(atlas, tmp_path, overlaps):
    assert train_judge(tmp_path / "judge", atlas, minutes=0.001, batch_size=4, overlaps=overlaps)
    assert {file.suffix for file in (tmp_path / "judge").iterdir()} == {".json", ".safetensors"}
    weights = tmp_path / "judge" / "diffusion_pytorch_model.safetensors"
    trained = weights.read_bytes()
    assert train_judge(tmp_path / "judge", atlas, minutes=0.001, batch_size=4) and weights.read_bytes() == trained
    judge = IconJudge.from_pretrained(tmp_path / "judge").eval()
    shares = measure(judge, atlas, num_objects=2, pictures=5, overlapping=overlaps > 0)
    assert shares.keys() == {"objects", "pictures"} and 0 <= shares["objects"] <= 1
