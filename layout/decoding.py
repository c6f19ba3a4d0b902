"""What a language model may answer when it is asked for a layout: `ANSWER_SCHEMA`, and decoding that keeps to it."""

from collections.abc import Callable, Sequence

from .conversation import plain_text
from .vocabulary import PLACES, RELATIONS_OF_TWO


MOST_OBJECTS, MOST_RELATIONS = 16, 24
LONGEST_PHRASE = 80  # characters


def _record(**properties) -> dict:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_INDEX = {"type": "integer", "minimum": 0, "maximum": MOST_OBJECTS - 1}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
ANSWER_SCHEMA = _record(
    objects={
        "type": "array",
        "maxItems": MOST_OBJECTS,
        "items": _record(
            phrase={"type": "string", "pattern": rf'^[^"\\\x00-\x1f]{{1,{LONGEST_PHRASE}}}$'},
            box={"type": "array", "prefixItems": [_SHARE] * 4, "minItems": 4, "maxItems": 4},
        ),
    },
    relations={
        "type": "array",
        "maxItems": MOST_RELATIONS,
        "items": {
            "anyOf": [
                _record(subject=_INDEX, relation={"enum": list(RELATIONS_OF_TWO)}, object=_INDEX),
                _record(subject=_INDEX, relation={"const": "between"}, object=_INDEX, second_object=_INDEX),
                _record(subject=_INDEX, relation={"enum": list(PLACES)}, object={"type": "null"}),
            ]
        },
    },
)


def constrained(model, tokenizer, max_new_tokens: int) -> Callable[[Sequence[dict]], str]:
    """A function that lets a model of transformers answer a conversation, in the form of the schema, greedily."""
    try:
        from xgrammar import GrammarCompiler, TokenizerInfo
        from xgrammar.contrib.hf import LogitsProcessor
    except ImportError as error:
        raise ImportError(
            'A language model that answers in a given form needs xgrammar: pip install "spacetime_attn[llm]". Without'
            " it, pass a function as `model`."
        ) from error
    if tokenizer is None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
        tokenizer = AutoTokenizer.from_pretrained(model)
        model = AutoModelForCausalLM.from_pretrained(model, dtype="auto").to(device).eval()
    ends = model.generation_config.eos_token_id
    ends = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
    vocabulary = TokenizerInfo.from_huggingface(
        tokenizer, vocab_size=model.config.get_text_config().vocab_size, stop_token_ids=sorted(ends)
    )
    grammar = GrammarCompiler(vocabulary).compile_json_schema(ANSWER_SCHEMA, any_whitespace=False)

    def write(messages: Sequence[dict]) -> str:
        if tokenizer.chat_template:
            inputs = tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
        else:
            inputs = tokenizer(plain_text(messages), return_tensors="pt")
        output = model.generate(
            **inputs.to(model.device),
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            max_new_tokens=max_new_tokens,
            logits_processor=[LogitsProcessor(grammar)],
            eos_token_id=sorted(ends),
            pad_token_id=min(ends),
        )
        return tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    return write
