"""
Regional control of the families with transformers, written out slowly and plainly: each text goes through diffusers'
own blocks by itself, in the place of the prompt, and what attention gives is blended after `to_out`, row by row and
object by object.
"""

from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import torch

from spacetime_attn import Layout


@dataclass
class WrittenOut:
    """
    Args:
        pipe: Of Stable Diffusion 3, FLUX.1 or PixArt.
        layouts (`list[Layout]`): One for each prompt.
        weights (`list[torch.Tensor]`): For each a matrix (objects, steps).
        blend (`str`): `"guided"` or `"convex"`.
        length (`int`): The tokens that T5 makes of a local text.
        evaluations (`list[str]`): What the rows of each evaluation of a step are, see [`Evaluation`].
        sight (`str`): What joint attention shows of the picture to a local text: its `"region"`, or all the
            `"picture"`.
    """

    pipe: object
    layouts: list[Layout]
    weights: list[torch.Tensor]
    blend: str
    length: int
    evaluations: list[str]
    sight: str = "region"

    def __post_init__(self):
        self.count = 0  # of the evaluations begun
        self.streams = {}  # the local texts of this evaluation as they are by now, by row and object: (text, mask)
        self.texts = {}  # as they were encoded, by prompt, object and whether it is the negative one
        for prompt, layout in enumerate(self.layouts):
            for number, region in enumerate(layout.regions):
                self.texts[prompt, number, False] = self.encoded(f"a photo of {region.phrase}")
                if region.negative_prompt is not None:
                    self.texts[prompt, number, True] = self.encoded(region.negative_prompt)

    def encoded(self, text: str) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The encoding of one text, and its mask."""
        encode, length = self.pipe.encode_prompt, {"max_sequence_length": self.length}
        with torch.no_grad():
            if hasattr(self.pipe, "tokenizer_3"):
                return encode(text, None, None, do_classifier_free_guidance=False, **length)[0], None
            if hasattr(self.pipe, "tokenizer_2"):
                return encode(text, **length)[0], None
            return encode(text, False, **length)[:2]

    @property
    def passes(self) -> str:
        return self.evaluations[(self.count - 1) % len(self.evaluations)]

    @property
    def step(self) -> int:
        return (self.count - 1) // len(self.evaluations)

    @contextmanager
    def control(self):
        """Controls the pipeline's runs."""
        model = self.pipe.transformer
        with ExitStack() as stack:
            stack.callback(model.register_forward_pre_hook(self.begin, with_kwargs=True).remove)
            for block in (*model.transformer_blocks, *getattr(model, "single_transformer_blocks", ())):
                if hasattr(block, "attn"):
                    stack.enter_context(replaced(block, self.joint_block(block)))
                else:
                    stack.enter_context(replaced(block.attn2, self.cross_attention(block.attn2)))
            yield

    def begin(self, model, args, kwargs):
        """Notes what one evaluation is about."""
        self.count += 1
        states = args[0] if args else kwargs["hidden_states"]
        self.rows, self.kwargs = len(states), kwargs
        if states.ndim == 4:
            self.grid = states.shape[-2] // 2, states.shape[-1] // 2
        else:
            self.grid = tuple(1 + int(kwargs["img_ids"][:, axis].max()) for axis in (1, 2))
        embed = getattr(model, "context_embedder", None) or model.caption_projection
        self.streams = {
            (row, number, negative): (embed(text), mask)
            for (prompt, number, negative), (text, mask) in self.texts.items()
            for row in self.rows_of(prompt, negative)
        }

    def rows_of(self, prompt: int, negative: bool) -> list[int]:
        """The rows in which the pictures of a prompt are, in the one pass or the other."""
        parts = {"both": [True, False], "unconditional": [True], "conditional": [False]}[self.passes]
        if negative not in parts:
            return []
        pictures = self.rows // len(parts)
        copies = pictures // len(self.layouts)
        first = parts.index(negative) * pictures + prompt * copies
        return list(range(first, first + copies))

    def joint_block(self, block):
        """What a block does that has joint attention."""

        def forward(plain, hidden_states, encoder_hidden_states, temb, **options):
            of_texts, read_texts = {}, {}
            for key, (text, mask) in self.streams.items():
                row, picture_output = key[0], []
                inputs = hidden_states[row : row + 1], text, temb[row : row + 1]

                def keep(attention, key=key, picture_output=picture_output, count=text.shape[1], **inputs):
                    read_texts[key] = inputs.get("encoder_hidden_states")
                    output = attention(**inputs)
                    picture_output += [output[0] if isinstance(output, tuple) else output[:, count:]]
                    return output

                with replaced(block.attn, keep):
                    seen, _ = plain(*inputs, **options | self.rotation(options, text.shape[1]))
                [of_texts[key]] = picture_output
                if self.sight == "region":
                    inside = self.inside(row, key[1])
                    inputs = inputs[0][:, inside], *inputs[1:]
                    seen, _ = plain(*inputs, **options | self.rotation(options, text.shape[1], inside))
                self.streams[key] = seen, mask

            def blend(attention, **inputs):
                output = attention(**inputs)

                def subtracted(row, unconditional, number, negated):
                    """The picture of a row with the text of another, or the negative prompt there."""
                    text = inputs["encoder_hidden_states"][unconditional][None]
                    if negated:
                        text = read_texts[unconditional, number, True]
                    picture = inputs["hidden_states"][row][None]
                    return attention(hidden_states=picture, encoder_hidden_states=text)[0][0]

                if isinstance(output, tuple):
                    return self.blended(output[0], of_texts, subtracted), output[1]
                count = encoder_hidden_states.shape[1]
                return torch.cat([output[:, :count], self.blended(output[:, count:], of_texts)], dim=1)

            with replaced(block.attn, blend):
                return plain(hidden_states, encoder_hidden_states, temb, **options)

        return forward

    def inside(self, row: int, number: int) -> torch.Tensor:
        """Which of the picture's tokens are inside an object's region."""
        prompts = range(len(self.layouts))
        [prompt] = [n for n in prompts if row in self.rows_of(n, False) + self.rows_of(n, True)]
        return torch.from_numpy(self.layouts[prompt].regions[number].rasterize(*self.grid)).flatten() > 0

    def rotation(self, options: dict, count: int, shown: torch.Tensor | slice = slice(None)) -> dict:
        """FLUX's rotary embedding of a text of so many tokens and what is shown of the picture."""
        if "image_rotary_emb" not in options:
            return {}
        positions = self.kwargs["img_ids"][shown]
        ids = torch.cat([positions.new_zeros(count, 3), positions])
        return {"image_rotary_emb": self.pipe.transformer.pos_embed(ids)}

    def cross_attention(self, layer):
        """What a layer of cross-attention does."""

        def forward(plain, hidden_states, encoder_hidden_states, attention_mask, **options):
            output = plain(hidden_states, encoder_hidden_states, attention_mask, **options)
            of_texts = {}
            for key, (text, mask) in self.streams.items():
                bias = (1 - mask.to(text)) * -10000.0
                of_texts[key] = plain(hidden_states[key[0]][None], text, bias[:, None])
            return self.blended(output, of_texts)

        return forward

    def blended(self, output: torch.Tensor, of_texts: dict, subtracted=None) -> torch.Tensor:
        """
        The formulas: what attention gives, (rows, tokens, channels), what it gave of each text in its row, and, of
        joint attention, what guided control subtracts.
        """
        changed = output.clone()
        for prompt, layout in enumerate(self.layouts):
            amounts = self.amounts(prompt, layout).to(output)
            conditional, unconditional = self.rows_of(prompt, False), self.rows_of(prompt, True)
            for number, region in enumerate(layout.regions):
                amount, negated = amounts[number], region.negative_prompt is not None
                for copy, row in enumerate(conditional):
                    base = output[row]
                    if self.blend == "guided" and subtracted is not None:
                        base = subtracted(row, unconditional[copy], number, negated)
                    elif self.blend == "guided":
                        base = output[unconditional[copy]]
                        if negated:
                            base = of_texts[unconditional[copy], number, True][0]
                    changed[row] += amount * (of_texts[row, number, False][0] - base)
                if negated and self.blend == "convex":
                    for row in unconditional:
                        changed[row] += amount * (of_texts[row, number, True][0] - output[row])
        return changed

    def amounts(self, prompt: int, layout: Layout) -> torch.Tensor:
        """The share of each object at each token of the picture, (objects, tokens, 1)."""
        weights, steps = self.weights[prompt], self.weights[prompt].shape[1]
        amounts = defaultdict(list)
        for number, region in enumerate(layout.regions):
            middle = (self.step + 0.5) / steps
            strength = region.strength if region.start <= middle < region.end else 0.0
            mask = torch.from_numpy(region.rasterize(*self.grid)).double().flatten()
            amounts[number] = mask * float(weights[number, self.step]) * strength
        amounts = torch.stack([amounts[number] for number in range(len(layout))])
        if self.blend == "convex":
            amounts = amounts / amounts.sum(dim=0).clamp(min=1)
        return amounts[..., None]


def replaced(module, forward):
    """Another `forward` for a module, which is given its own first."""
    plain = module.forward
    return patch.object(module, "forward", lambda *args, **options: forward(plain, *args, **options))
