"""Numbers and texts in the answers of language models, whatever they are, end in a layout."""

import pytest

from spacetime_attn.layout.llm import LLMLayoutPredictor


PROMPT = "A red drum is to the left of a blue kettle."
NO_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "9" * 5000, "true", "null", '"0.5"', "[]", "{}"]


class Model:
    """Always answers the same, and can only be asked what can be encoded."""

    def __init__(self, phrase="A red drum", side="0.1", subject="0", relation="left of"):
        drum, kettle = f'"{phrase}", "box": [{side}, 0.4, 0.4, 0.7]', '"a blue kettle", "box": [0.6, 0.4, 0.8, 0.7]'
        self.answer = (
            f'{{"objects": [{{"phrase": {drum}}}, {{"phrase": {kettle}}}],'
            f' "relations": [{{"subject": {subject}, "relation": "{relation}", "object": 1}}]}}'
        )
        self.asked = []

    def __call__(self, text):
        self.asked.append(text.encode())
        return self.answer


@pytest.mark.parametrize("number", NO_NUMBERS)
def test_what_is_no_number_is_complained_of_and_replaced(number):
    for model in (Model(side=number), Model(subject=number)):
        layout = LLMLayoutPredictor(model)(PROMPT)
        assert sorted(layout.phrases) == ["A red drum", "a blue kettle"] and len(model.asked) == 2


@pytest.mark.parametrize("number", ["0", "-0.0", "1e-320", "1e-1", "-1e6", "0.30000000000000004"])
def test_every_number_is_a_place(number):
    assert LLMLayoutPredictor(Model(side=number))(PROMPT).phrases == ["A red drum", "a blue kettle"]


def test_halves_of_characters_are_read_over():
    for model in (Model(phrase="A red drum\\ud83d"), Model(phrase="\\udfffA red drum", relation="left \\ud800of")):
        assert LLMLayoutPredictor(model)(PROMPT).phrases == ["A red drum", "a blue kettle"]
