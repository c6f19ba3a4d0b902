"""The combination weights: defaults, what a user may pass, files."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from spacetime_attn.processors.weight_files import save_weights
from spacetime_attn.processors.weights import (
    batch_weights,
    default_weights,
    load_weights,
    pad_weights,
    read_weights,
    saved_noise,
)


TWO = ["a cat", "a dog"]


def test_guided_defaults_share_the_strength_and_convex_ones_do_not():
    assert torch.equal(default_weights(4, 3, "guided"), torch.full((4, 3), 1.25))
    assert torch.equal(default_weights(4, 3, "guided", strength=2.0), torch.full((4, 3), 0.5))
    assert torch.equal(default_weights(4, 3, "convex"), torch.full((4, 3), 0.5))
    assert default_weights(0, 3, "guided").shape == (0, 3)


def test_defaults_may_end_before_the_last_step_but_not_before_the_first():
    assert default_weights(1, 5, "guided", strength=2.0, end=0.4).tolist() == [[2.0, 2.0, 0.0, 0.0, 0.0]]
    assert default_weights(2, 3, "convex", end=0.0).tolist() == [[0.5, 0.0, 0.0]] * 2
    assert default_weights(1, 6, "guided", strength=2.0, end=0.5, first=2).tolist() == [[2.0] * 4 + [0.0] * 2]
    [given] = batch_weights(None, [TWO], 4, "guided", strength=2.0, end=0.5)
    assert given.tolist() == [[1.0, 1.0, 0.0, 0.0]] * 2
    assert batch_weights(3.0, [TWO], 2, "guided", strength=2.0, end=0.5)[0].tolist() == [[3.0, 3.0]] * 2


def test_the_defaults_may_fall_in_a_straight_line():
    assert default_weights(2, 4, "guided", strength=8.0, schedule="linear").tolist() == [[3.5, 2.5, 1.5, 0.5]] * 2
    falling = default_weights(1, 12, "convex", 1.0, end=0.5, schedule="linear", first=4)
    assert falling[0, 4:].tolist() == [0.875, 0.625, 0.375, 0.125, 0, 0, 0, 0]
    assert default_weights(1, 3, "convex", 1.0, end=0.0, schedule="linear").tolist() == [[0.5, 0.0, 0.0]]


def test_each_prompt_of_a_batch_has_its_own_defaults():
    first, second = batch_weights(None, [TWO, ["a bus"]], 4, "guided")
    assert first.unique().tolist() == [2.5] and second.unique().tolist() == [5.0]


def test_a_number_holds_for_every_object_of_every_prompt():
    assert [matrix.tolist() for matrix in batch_weights(1.5, [TWO, []], 2, "guided")] == [[[1.5, 1.5]] * 2, []]


def test_a_list_gives_each_prompt_what_it_likes():
    matrix = torch.rand(2, 3)
    given = batch_weights([matrix, None, 2.0], [TWO, ["a bus"], ["a cup"]], 3, "guided")
    assert torch.equal(given[0], matrix) and given[1].unique() == 5.0 and given[2].unique() == 2.0


def test_rows_of_plain_numbers_are_a_matrix():
    assert batch_weights([[1, 2, 3], [4, 5, 6]], [TWO], 3, "guided")[0].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_padding_is_cut_off_and_put_on_again():
    padded = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [0.0, 0.0]]])
    matrices = batch_weights(padded, [TWO, ["a bus"]], 2, "guided")
    assert [len(matrix) for matrix in matrices] == [2, 1] and torch.equal(pad_weights(matrices), padded)


def test_padding_that_is_not_zero_is_an_error():
    with pytest.raises(ValueError, match=r"shape \(2, 2\), but the prompt needs \(objects, steps\) = \(1, 2\)"):
        batch_weights(torch.ones(2, 2, 2), [TWO, ["a bus"]], 2, "guided")


def test_one_matrix_for_several_prompts_is_an_error():
    with pytest.raises(ValueError, match="one matrix, but there are 2 prompts"):
        batch_weights(torch.ones(2, 2), [TWO, TWO], 2, "guided")


def test_without_a_number_of_steps_numbers_have_one_column():
    assert batch_weights(2.0, [TWO], None, "guided")[0].shape == (2, 1)
    assert batch_weights(torch.ones(2, 7), [TWO], None, "guided")[0].shape == (2, 7)


def test_a_default_that_convex_control_cannot_have_is_an_error():
    with pytest.raises(ValueError, match="Convex `weights` have to lie in 0..1, got 2..2"):
        batch_weights(None, [TWO], 3, "convex", strength=2.0)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.json"])
def test_a_file_keeps_weights_blend_and_phrases(tmp_path, name):
    weights = torch.cat([torch.rand(2, 5), torch.zeros(1, 5)])  # padded with a row
    save_weights(tmp_path / name, weights, "convex", TWO)
    saved = load_weights(tmp_path / name)
    torch.testing.assert_close(saved.weights, weights[:2])
    assert saved.blend == "convex" and saved.phrases == TWO


@pytest.mark.parametrize("shape", [(1, 2, 5), (3, 5), (1, 5)])
def test_only_the_weights_of_one_picture_are_saved(tmp_path, shape):
    with pytest.raises(ValueError, match="out.weights"):
        save_weights(tmp_path / "w.json", torch.ones(shape), "guided", TWO)
    assert not (tmp_path / "w.json").exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.json"])
def test_a_file_may_keep_the_noise_too(tmp_path, name):
    latents = torch.rand(4, 2, 3)
    save_weights(tmp_path / name, torch.ones(2, 5), "guided", TWO, latents)
    saved = read_weights(tmp_path / name)
    torch.testing.assert_close(saved_noise(saved, (1, 4, 2, 3)), latents[None])
    torch.testing.assert_close(saved_noise([saved, saved], (2, 4, 2, 3)), torch.stack([latents] * 2))
    for weights, shape in ((saved, (2, 4, 2, 3)), ([saved, None], (2, 4, 2, 3)), (saved, (1, 4, 3, 3))):
        assert saved_noise(weights, shape) is None
    assert saved_noise(1.0, (1, 4, 2, 3)) is None


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.json", "WEIGHTS.JSON"])
def test_a_picture_without_objects_has_weights_too(tmp_path, name):
    save_weights(tmp_path / name, torch.ones(0, 5), "guided", [])
    assert batch_weights(read_weights(tmp_path / name), [[]], 7, "guided")[0].shape == (0, 7)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.json"])
def test_what_cannot_be_read_again_is_not_saved(tmp_path, name):
    save_weights(tmp_path / name, torch.ones(2, 5), "guided", TWO)
    for weights, latents in (torch.full((2, 5), torch.nan), None), (torch.ones(2, 5), torch.ones(8, 8)):
        with pytest.raises(ValueError, match="NaN|latents"):
            save_weights(tmp_path / name, weights, "guided", TWO, latents)
    assert load_weights(tmp_path / name).weights.unique() == 1 and len(list(tmp_path.iterdir())) == 1


FILE = {"weights": [[1, 2]], "blend": "guided", "phrases": ["a cat"]}


def write(path: Path, content: dict) -> Path:
    """As JSON or safetensors, whatever the content."""
    if path.suffix == ".json":
        path.write_text(json.dumps(content))
    else:
        tensors = {name: value for name, value in content.items() if torch.is_tensor(value)}
        metadata = {name: value for name, value in content.items() if not torch.is_tensor(value)}
        metadata = {name: value if isinstance(value, str) else json.dumps(value) for name, value in metadata.items()}
        save_file(tensors, path, metadata)
    return path


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_read_over(tmp_path, encoding):
    (tmp_path / "w.json").write_text(json.dumps(FILE | {"phrases": ["a café"]}, ensure_ascii=False), encoding=encoding)
    assert load_weights(tmp_path / "w.json").phrases == ["a café"]


def test_whole_numbers_are_numbers(tmp_path):
    saved = load_weights(write(tmp_path / "w.json", FILE | {"latents": [[[1, 0]]]}))
    assert saved.weights.dtype == saved.latents.dtype == torch.float32
    assert batch_weights(saved, [["a cat"]], 4, "guided")[0].tolist() == [[1.0, 1.25, 1.75, 2.0]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_any_real_type_are_read(tmp_path, dtype):
    tensors = {"weights": torch.tensor([[1, 2]], dtype=dtype), "latents": torch.ones(1, 1, 2, dtype=dtype)}
    saved = load_weights(write(tmp_path / "w.safetensors", FILE | tensors))
    assert saved.weights.dtype == saved.latents.dtype == torch.float32 and saved.weights.tolist() == [[1, 2]]


WRONG = [
    ("weights", [[1, None]]),
    ("weights", [[1, float("nan")]]),
    ("weights", [[float("inf"), 1]]),
    ("weights", [[1e39, 1]]),
    ("weights", [[10**400, 1]]),
    ("weights", [[True, False]]),
    ("weights", [["1", "2"]]),
    ("weights", [[1], [1, 2]]),
    ("weights", [[1, 2], [3, 4]]),
    ("weights", [[]]),
    ("weights", 5),
    ("weights", None),
    ("phrases", "a"),
    ("phrases", [1]),
    ("phrases", {"a cat": 1}),
    ("phrases", None),
    ("blend", "magic"),
    ("blend", None),
    ("blend", ["guided"]),
    ("latents", [[1, 2]]),
    ("latents", []),
    ("latents", [[[None]]]),
    ("latents", [[[float("nan")]]]),
]
WRONG_TENSORS = [
    ("weights", torch.ones(1, 2, dtype=torch.bool)),
    ("weights", torch.ones(1, 2, dtype=torch.complex64)),
    ("weights", torch.full((1, 2), 1e39, dtype=torch.float64)),
    ("weights", torch.ones(2)),
    ("latents", torch.ones(4, 4)),
    ("latents", torch.full((1, 1, 1), torch.inf)),
    ("phrases", "a cat"),
    ("phrases", '"a"'),
    ("phrases", "[1]"),
    ("blend", "magic"),
]


@pytest.mark.parametrize(
    "name, field, value",
    [("w.json", *wrong) for wrong in WRONG] + [("w.safetensors", *wrong) for wrong in WRONG_TENSORS],
)
def test_what_is_wrong_in_a_file_is_named_with_it(tmp_path, name, field, value):
    sound = FILE if name == "w.json" else FILE | {"weights": torch.ones(1, 2)}
    path = write(tmp_path / name, sound | {field: value})
    with pytest.raises(ValueError, match=f"{name}' is no file of weights: .*`{field}`"):
        read_weights(path)


@pytest.mark.parametrize("field", FILE)
@pytest.mark.parametrize("name", ["w.json", "w.safetensors"])
def test_what_a_file_lacks_is_named(tmp_path, name, field):
    sound = FILE if name == "w.json" else FILE | {"weights": torch.ones(1, 2)}
    with pytest.raises(ValueError, match=rf"{name}' is no file of weights: it lacks \['{field}'\]"):
        load_weights(write(tmp_path / name, {key: value for key, value in sound.items() if key != field}))


@pytest.mark.parametrize("name", ["w.json", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"3", b"[" * 100_000, b"\x89PNG\r\n\x1a\n" * 9, b"\xff\xfe\x00"])
def test_other_files_are_told_to_hold_no_weights(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}' is no file of weights"):
        load_weights(tmp_path / name)


@pytest.mark.parametrize("name", ["w.json", "w.safetensors"])
def test_files_far_too_large_are_refused_unread(tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        file.truncate(2**40)  # of zeros, which take no place on the disk
    with pytest.raises(ValueError, match=f"{name}' is no file of weights: it has more than 64 MB"):
        load_weights(tmp_path / name)


@pytest.mark.parametrize("weights", [True, [True], torch.ones(1, 2, dtype=torch.bool), 10**400, [[1, None]], 1j])
def test_what_is_no_number_is_no_weight(weights):
    with pytest.raises(TypeError, match="`weights` has to be a real number"):
        batch_weights(weights, [["a cat"]], 2, "guided")


def test_paths_are_read_wherever_they_stand(tmp_path):
    save_weights(tmp_path / "w.json", torch.ones(2, 3), "guided", TWO)
    assert read_weights(tmp_path / "w.json").phrases == TWO
    number, saved = read_weights([1.0, str(tmp_path / "w.json")])
    assert number == 1.0 and saved.phrases == TWO
    assert read_weights(None) is None


def test_saved_weights_of_another_blend_are_an_error(tmp_path):
    save_weights(tmp_path / "w.json", torch.ones(2, 3), "guided", TWO)
    with pytest.raises(ValueError, match="belong to blend='guided', but blend='convex'"):
        batch_weights(load_weights(tmp_path / "w.json"), [TWO], 3, "convex")


def test_saved_weights_follow_the_same_course_in_another_number_of_steps(tmp_path):
    course = torch.linspace(0, 1, 8).expand(2, 8)
    save_weights(tmp_path / "w.json", course, "guided", TWO)
    for steps in (4, 16):
        [matrix] = batch_weights(load_weights(tmp_path / "w.json"), [TWO], steps, "guided")
        time = (torch.arange(steps) + 0.5) / steps
        expected = ((8 * time - 0.5) / 7).clamp(0, 1)  # the ends go on as they are
        torch.testing.assert_close(matrix, expected.expand(2, steps))
