"""The checkpoint as it ships."""

import json
from pathlib import Path

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from .models import PIXEL_MEAN, PIXEL_STD, make_pipeline
from .things import SIZE
from .tokenizer import silence_unknown


IMAGE_PROCESSOR = {  # transformers reads it with and without torchvision
    "image_processor_type": "CLIPImageProcessor",
    "do_resize": True,
    "size": {"height": SIZE, "width": SIZE},
    "resample": 3,
    "do_center_crop": False,
    "do_convert_rgb": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": PIXEL_MEAN,
    "image_std": PIXEL_STD,
}
DEFAULTS = {  # of SpaceTimeAttnPipeline on this checkpoint
    "default_blend": "guided",
    "guided_strength": 8.0,
    "control_guidance_end": 0.5,  # later steps need no help
    "weight_schedule": "linear",
    "region_shape": "box",
    "box_scale": 0.6,  # its things are smaller than those that the rules have in mind
    "depth_order": True,
    "upscale_guidance_scale": 2.0,  # more of it makes several small things of a large one
    "upscale_convex_weight": 1.0,  # what is in a region is there already, and is to stay
    "layout_predictor": "rules",  # all things of this world are of one size
    "clip_model": "./clip",
}
LARGEST_FILE, LARGEST_CHECKPOINT = 16 * 2**20, 28 * 2**20  # bytes


def save_checkpoint(
    folder: Path,
    vae: AutoencoderKL,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    unet: UNet2DConditionModel,
    clip: CLIPModel,
) -> None:
    """
    Saves a Stable Diffusion pipeline that carries `DEFAULTS`, and a CLIP with its processor in the subfolder `clip`.

    UNet, VAE and CLIP are stored in half precision. The text encoder is stored in single precision, in numbers that
    half precision has too, so that it and CLIP's text tower are the same to the last bit. Words that no caption has
    say nothing to it.

    Raises:
        ValueError: The files are larger than what may ship.
    """
    text_encoder = text_encoder.half().float().cpu()
    silence_unknown(text_encoder, tokenizer)
    clip.text_model.load_state_dict(text_encoder.state_dict())
    make_pipeline(vae.half().cpu(), text_encoder, tokenizer, unet.half().cpu()).save_pretrained(folder)
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | DEFAULTS, indent=2) + "\n")
    clip.half().cpu().save_pretrained(folder / "clip")
    tokenizer.save_pretrained(folder / "clip")
    (folder / "clip" / "preprocessor_config.json").write_text(json.dumps(IMAGE_PROCESSOR, indent=2) + "\n")
    _check_sizes(folder)


def _check_sizes(folder: Path) -> None:
    sizes = {file: file.stat().st_size for file in folder.rglob("*") if file.is_file()}
    for path, size, limit in [
        *((file, size, LARGEST_FILE) for file, size in sizes.items()),
        (folder, sum(sizes.values()), LARGEST_CHECKPOINT),
    ]:
        if size > limit:
            raise ValueError(f"{path} has {size / 2**20:.1f} MiB, more than the {limit / 2**20:.0f} that may ship.")
