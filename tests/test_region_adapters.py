"""LoRA adapters that act in regions."""

import pytest
import torch
from diffusers.loaders.peft import _SET_ADAPTER_SCALE_FN_MAPPING  # noqa: F401
from peft import LoraConfig

from spacetime_attn import Layout, Region, spacetime_attention


PROMPT = "a red cat"
WHOLE, LEFT, RIGHT = (0, 0, 1, 1), (0, 0, 0.5, 1), (0.5, 0, 1, 1)
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
ALL = [*ATTENTION, "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "conv1", "conv2", "conv_shortcut", "conv", "conv_in", "conv_out"]


def add_adapter(pipe, name: str, targets=ALL, text: bool = False, **options) -> None:
    torch.manual_seed(sum(map(ord, name)))
    config = {"r": 2, "lora_alpha": 4, "init_lora_weights": False} | options
    pipe.unet.add_adapter(LoraConfig(target_modules=targets, **config), name)
    for part in ("text_encoder", "text_encoder_2") if text else ():
        if part in pipe.components:
            pipe.components[part].add_adapter(LoraConfig(target_modules=["q_proj", "fc1"], **config), name)


def draw(pipe, *regions, **options):
    pipe.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": 2, "output_type": "latent", "layout": Layout(regions)} | options
    return pipe(PROMPT, **options, generator=torch.manual_seed(0)).images

@pytest.mark.parametrize("blend", ["guided", "convex"])
def test_whole(make, family, blend):
    pipe, _ = make(family)
    plain = draw(pipe, Region("a cat", box=WHOLE), blend=blend)
    add_adapter(pipe, "one")
    add_adapter(pipe, "two")
    pipe.set_adapters(["one", "two"], [0.1, 0.05])
    everywhere = draw(pipe, Region("a cat", box=WHOLE), blend=blend)
    inside = draw(pipe, Region("a cat", box=WHOLE, adapters={"one": 1.0, "two": 1.0}), blend=blend)
    one = draw(pipe, Region("a cat", box=WHOLE, adapters={"one": 1.0}), blend=blend)
    print((everywhere-plain).abs().max(), (inside-everywhere).abs().max(), (one-everywhere).abs().max())
    torch.testing.assert_close(inside, everywhere, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(everywhere, plain, atol=1e-2)
