"""Tiny models under the names of the original checkpoints, all in one file, as on the sites that share them."""

import re

import torch


RESNETS = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET = {  # with one layer in a block
    r"^time_embedding\.linear_(\d)": lambda found: f"time_embed.{2 * int(found[1]) - 2}",
    r"^add_embedding\.linear_(\d)": lambda found: f"label_emb.0.{2 * int(found[1]) - 2}",
    r"^conv_in": "input_blocks.0.0",
    r"^conv_norm_out": "out.0",
    r"^conv_out": "out.2",
    r"^down_blocks\.(\d)\.resnets\.0": lambda found: f"input_blocks.{2 * int(found[1]) + 1}.0",
    r"^down_blocks\.(\d)\.attentions\.0": lambda found: f"input_blocks.{2 * int(found[1]) + 1}.1",
    r"^down_blocks\.(\d)\.downsamplers\.0\.conv": lambda found: f"input_blocks.{2 * int(found[1]) + 2}.0.op",
    r"^mid_block\.resnets\.(\d)": lambda found: f"middle_block.{2 * int(found[1])}",
    r"^mid_block\.attentions\.0": "middle_block.1",
    r"^up_blocks\.(\d)\.resnets\.(\d)": lambda found: f"output_blocks.{2 * int(found[1]) + int(found[2])}.0",
    r"^up_blocks\.(\d)\.attentions\.(\d)": lambda found: f"output_blocks.{2 * int(found[1]) + int(found[2])}.1",
    r"^up_blocks\.(\d)\.upsamplers\.0": lambda found: f"output_blocks.{2 * int(found[1]) + 1}.2",
}
VAE = {  # with two blocks
    r"down_blocks\.(\d)\.resnets": r"down.\1.block",
    r"down_blocks\.(\d)\.downsamplers\.0": r"down.\1.downsample",
    r"up_blocks\.(\d)\.resnets": lambda found: f"up.{1 - int(found[1])}.block",
    r"up_blocks\.(\d)\.upsamplers\.0": lambda found: f"up.{1 - int(found[1])}.upsample",
    r"mid_block\.resnets\.(\d)": lambda found: f"mid.block_{int(found[1]) + 1}",
    r"mid_block\.attentions\.0": "mid.attn_1",
    r"conv_shortcut": "nin_shortcut",
    r"conv_norm_out": "norm_out",
    r"group_norm": "norm",
    r"to_out\.0": "proj_out",
    r"to_([qkv])": r"\1",
}
OPEN_CLIP = {
    r"embeddings\.token_embedding\.weight": "token_embedding.weight",
    r"embeddings\.position_embedding\.weight": "positional_embedding",
    r"final_layer_norm": "ln_final",
    r"encoder\.layers": "transformer.resblocks",
    r"layer_norm(\d)": r"ln_\1",
    r"\.fc1": ".c_fc",
    r"\.fc2": ".c_proj",
    r"self_attn\.q_proj\.": "attn.in_proj_",
    r"self_attn": "attn",
}


def original_checkpoint(pipe) -> dict[str, torch.Tensor]:
    """The state of a tiny Stable Diffusion 1.x, 2.x or XL under its original names."""
    state = {"model.diffusion_model." + name: weight for name, weight in _unet(pipe.unet).items()}
    for name, weight in pipe.vae.state_dict().items():
        state["first_stage_model." + _renamed(name, VAE)] = weight
    if "text_encoder_2" in pipe.components:
        texts = {
            "conditioner.embedders.0.transformer.text_model.": _bare_state(pipe.text_encoder),
            "conditioner.embedders.1.model.": _open_clip(pipe.text_encoder_2),
        }
    elif pipe.unet.config.use_linear_projection:  # 2.x
        texts = {"cond_stage_model.model.": _open_clip(pipe.text_encoder)}
    else:
        texts = {"cond_stage_model.transformer.text_model.": _bare_state(pipe.text_encoder)}
    for prefix, weights in texts.items():
        state |= {prefix + name: weight for name, weight in weights.items()}
    return {name: weight.clone().contiguous() for name, weight in state.items()}


def _renamed(name: str, rules: dict) -> str:
    for pattern, new in rules.items():
        name = re.sub(pattern, new, name)
    return name


def _unet(unet) -> dict[str, torch.Tensor]:
    state = {}
    for name, weight in unet.state_dict().items():
        if ".resnets." in name:
            place, layer, kind = name.rsplit(".", 2)
            name = f"{place}.{RESNETS[layer]}.{kind}"
        state[_renamed(name, UNET)] = weight
    return state


def _bare_state(text_encoder) -> dict[str, torch.Tensor]:
    return {name.removeprefix("text_model."): weight for name, weight in text_encoder.state_dict().items()}


def _open_clip(text_encoder) -> dict[str, torch.Tensor]:
    """In OpenCLIP, queries, keys and values are one projection."""
    weights = _bare_state(text_encoder)
    state = {}
    for name, weight in weights.items():
        if "q_proj" in name:
            weight = torch.cat([weights[name.replace("q_proj", f"{part}_proj")] for part in "qkv"])
        if name == "text_projection.weight":
            state["text_projection"] = weight.T
        elif "k_proj" not in name and "v_proj" not in name:
            state[_renamed(name, OPEN_CLIP)] = weight
    return state
