"""The tokenizer: CLIP's, with one token for every word of the captions; other words are spelled, and say nothing."""

import json

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTextModel, CLIPTokenizer

from .captions import vocabulary


MAX_TOKENS = 48
START, END = "<|startoftext|>", "<|endoftext|>"


def make_tokenizer() -> CLIPTokenizer:
    """
    Learns byte-pair merges from the captions' words until each of them is one token. What they do not cover is split
    into the pieces that it shares with them, down to single letters.
    """
    words = sorted(vocabulary())
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    letters += [f"{letter}</w>" for letter in letters]
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=10_000,
        special_tokens=letters,  # numbered here; left to itself, it numbers them anew each time, and merges by that
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learner.train_from_iterator(words, trainer)
    merges = [tuple(merge) for merge in json.loads(learner.to_str())["model"]["merges"]]
    tokens = [*letters, *map("".join, merges), START, END]
    vocab = {token: place for place, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab, merges, model_max_length=MAX_TOKENS)


@torch.no_grad()
def silence_unknown(encoder: CLIPTextModel, tokenizer: CLIPTokenizer) -> None:
    """
    Gives all tokens that are in no caption, from which other words are spelled, the embedding of the padding. Training
    never reaches them: with their first, random ones, words of style would draw things.
    """
    known = {START, END, *(f"{word}</w>" for word in (*vocabulary(), *",.;"))}
    unknown = [number for token, number in tokenizer.get_vocab().items() if token not in known]
    words = encoder.get_input_embeddings().weight
    words[unknown] = words[tokenizer.pad_token_id].clone()
