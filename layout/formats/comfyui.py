"""ComfyUI's nodes (nodes.py of August 2026), in the form of its API."""

import numpy as np
from PIL import Image

from ..regions import Layout
from .common import (
    DESCRIPTIONS,
    PROMPT,
    SHAPES,
    SOFT_EDGES,
    STRENGTHS,
    TIMES,
    Canvas,
    Exported,
    Format,
    Pictures,
    drawing_of,
    logger,
    picture_named,
    region_of_mask,
    whole_prompt,
)


_READ = ("ConditioningSetMask", "ConditioningSetTimestepRange", "ConditioningCombine")
_LARGEST_STRENGTH = 10.0  # that a node takes


def write(layout: Layout, canvas: Canvas) -> Exported:
    """
    For each region a text, a mask from a PNG that belongs into ComfyUI's folder `input`, and the steps in which it
    acts. The last node is all of them, which a sampler takes as "positive".
    """
    nodes = {"checkpoint": _node("CheckpointLoaderSimple", ckpt_name="model.safetensors")}
    nodes["positive-0"] = _node("CLIPTextEncode", clip=["checkpoint", 1], text=whole_prompt(layout))
    pictures, last = {}, "positive-0"
    for number, region in enumerate(layout.regions, 1):
        text, mask, masked, timed = (f"{name}-{number}" for name in ("text", "mask", "masked", "timed"))
        if region.strength > _LARGEST_STRENGTH:
            logger.warning("ComfyUI takes strengths up to %g: %r gets no more.", _LARGEST_STRENGTH, region.phrase)
        name = canvas.mask_name(number)
        pictures[name] = drawing_of(region, canvas)
        nodes[text] = _node("CLIPTextEncode", clip=["checkpoint", 1], text=region.local_text)
        nodes[mask] = _node("LoadImageMask", image=name, channel="red")
        strength = {"strength": min(region.strength, _LARGEST_STRENGTH), "set_cond_area": "default"}
        nodes[masked] = _node("ConditioningSetMask", conditioning=[text, 0], mask=[mask, 0], **strength)
        times = {"start": region.start, "end": region.end}
        nodes[timed] = _node("ConditioningSetTimestepRange", conditioning=[masked, 0], **times)
        both = {"conditioning_1": [last, 0], "conditioning_2": [timed, 0]}
        last = f"positive-{number}"
        nodes[last] = _node("ConditioningCombine", **both)
    return Exported(nodes, pictures)


def read(data: dict, pictures: Pictures) -> Layout:
    """Reads what leads to a sampler's "positive", or all nodes where there is no sampler."""
    if "nodes" in data and "links" in data:
        raise ValueError("it is a workflow as ComfyUI's page saves it: export it in the API form")
    nodes = _leading_to_positive(data)
    if not nodes:
        raise ValueError("there are no nodes")
    later, regions, masked = {}, [], set()
    for node in nodes.values():
        if node["class_type"] == "ConditioningSetTimestepRange":
            later[node["inputs"]["conditioning"][0]] = _times(node)
        elif node["class_type"].startswith("Conditioning") and node["class_type"] not in _READ:
            logger.warning("ComfyUI's node %r is not read.", node["class_type"])
    for key, node in nodes.items():
        if node["class_type"] == "ConditioningSetMask":
            source, earlier = _source(nodes, key)
            masked.add(source)
            told = {"strength": float(node["inputs"]["strength"])} | earlier | later.get(key, {})
            mask = _mask_of(nodes[node["inputs"]["mask"][0]], pictures)
            regions.append(region_of_mask(nodes[source]["inputs"]["text"], mask, **told))
    others = [node for key, node in nodes.items() if node["class_type"] == "CLIPTextEncode" and key not in masked]
    for other in others[1:]:
        logger.warning("The text %r has no mask, and is left out.", other["inputs"]["text"])
    return Layout(regions, prompt=others[0]["inputs"]["text"] if others else "")


def _leading_to_positive(data: dict) -> dict:
    """The nodes that a sampler's "positive" comes from, in the order that they have."""
    links = (node["inputs"].get("positive") for node in data.values())
    waiting = [link[0] for link in links if isinstance(link, list)]
    found = set() if waiting else set(data)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            inputs = (value for name, value in data[key]["inputs"].items() if name != "negative")
            waiting += [value[0] for value in inputs if isinstance(value, list)]
    return {key: node for key, node in data.items() if key in found}


def _source(nodes: dict, key: str) -> tuple[str, dict]:
    """The key of the text that a mask is set for, and the times that a node between them sets, the later one's."""
    told, unseen = {}, dict(nodes)
    while "conditioning" in (node := unseen.pop(key))["inputs"]:  # a circle ends at a node that is no longer there
        if node["class_type"] == "ConditioningSetTimestepRange":
            told = _times(node) | told
        key = node["inputs"]["conditioning"][0]
    return key, told


def _times(node: dict) -> dict:
    return {name: node["inputs"][name] for name in ("start", "end")}


def _mask_of(node: dict, pictures: Pictures) -> np.ndarray:
    """What a node loads as a mask, in 0..1."""
    if node["class_type"] not in ("LoadImage", "LoadImageMask"):
        raise ValueError(f"masks of the node {node['class_type']!r} are not read")
    picture = picture_named(node["inputs"]["image"], pictures)
    return channel(picture, node["inputs"].get("channel", "alpha"))


def _node(kind: str, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs}


def channel(picture: Image.Image, name: str) -> np.ndarray:
    """A channel in 0..1, as ComfyUI's `LoadImageMask` takes it: of alpha, what is clear."""
    if name == "alpha":
        return 1 - np.asarray(picture.convert("RGBA").getchannel("A")) / 255
    return np.asarray(picture.convert("RGB").getchannel(name[0].upper())) / 255


FORMAT = Format(write, read, {DESCRIPTIONS, PROMPT, SHAPES, SOFT_EDGES, STRENGTHS, TIMES})
