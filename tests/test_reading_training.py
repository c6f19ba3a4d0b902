"""What the reader learns from: marked prompts, generated ones, what is kept out; that its network can learn them."""

import json
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from spacetime_attn.layout.reader import READER_NAME, Reader, ReaderSettings
from spacetime_attn.layout.reader_model import LABELS, LINKS, PAIR_CLASSES, ReaderConfig, ReaderNetwork
from spacetime_attn.layout.vocabulary import ARRANGEMENTS, PLACES, RELATIONS


ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "reading"
RECORD = """# style: test
[[a|object|A cat]] sits on [[b|object|a red sofa]]; to [[a|=|its]] left [[c|object*2|two lamps]] in a row, \
[[d|part|tail]] up, no [[|absent|dogs]]
> a on b
> c left of a
> c as row
> c at left
> d of a
"""


@pytest.fixture(scope="module")
def scripts():
    """The scripts in examples/reading, whose module names are for these tests alone."""
    with mock.patch.dict(sys.modules), mock.patch.object(sys, "path", [str(FOLDER), *sys.path]):
        for path in FOLDER.glob("*.py"):
            sys.modules.pop(path.stem, None)
        import corpus
        import grammar
        import ground_truth
        import kept_out
        import losses
        import markup
        import pack
        import rewriting
        import targets
        import train

        import stock

        yield SimpleNamespace(
            corpus=corpus, grammar=grammar, ground_truth=ground_truth, kept_out=kept_out, losses=losses,
            markup=markup, pack=pack, rewriting=rewriting, stock=stock, targets=targets, train=train,
        )  # fmt: skip


@pytest.fixture(scope="module")
def marked(scripts):
    """All that may be trained on."""
    return scripts.corpus.marked_prompts()


@pytest.fixture(scope="module")
def stock(scripts, marked):
    return scripts.stock.Stock(marked, scripts.corpus.words("styles"), scripts.corpus.words("artists"))


@pytest.fixture(scope="module")
def tokenizer():
    """Whole words of the record, and letters for all others."""
    words = "a cat sits on red sofa ; to its left two lamps in row , tail up no dogs .".split()
    letters = [letter for letter in "abcdefghijklmnopqrstuvwxyz0123456789'-" if letter not in words]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words, *letters, *(f"##{letter}" for letter in {*letters, "a"})]
    tokenizer = Tokenizer(WordPiece({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(lowercase=True), BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


# --- what is kept out -----------------------------------------------------------------------------------------------
def test_no_prompt_that_something_is_measured_on_is_trained_on(scripts, marked):
    assert len(marked) > 5000
    assert not [record.prompt for record in marked if scripts.kept_out.is_kept_out(record.prompt)]


def test_every_prompt_of_the_sets_in_this_repository_is_kept_out(scripts):
    files = [ROOT / "tests" / "constructions.jsonl", *(ROOT / "examples" / "icon_world").glob("prompts_*.jsonl")]
    prompts = [json.loads(line)["prompt"] for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    prompts += [record.prompt for record in scripts.markup.read(*FOLDER.glob("fresh*/*.txt"))]
    assert len(prompts) > 1000
    assert all(map(scripts.kept_out.is_kept_out, prompts))


def test_case_spaces_and_punctuation_do_not_make_another_prompt(scripts):
    assert scripts.kept_out.digest("A cat, on a  mat.") == scripts.kept_out.digest("a cat on a mat")
    assert scripts.kept_out.digest("a cat on a mat") != scripts.kept_out.digest("a cat on the mat")


# --- marks ----------------------------------------------------------------------------------------------------------
def test_a_record_is_read(scripts):
    record = scripts.markup.parse(RECORD)
    texts = [record.prompt[mention.start : mention.end] for mention in record.mentions]
    assert texts == ["A cat", "a red sofa", "its", "two lamps", "tail", "dogs"]
    assert record.mentions[3].count == 2 and record.mentions[2].things == ("a",)
    assert ("a", "on", "b") in record.statements and ("c", "at", "left") in record.statements


@pytest.mark.parametrize(
    "change, problem",
    [
        (("> a on b", "> a on z"), "unknown thing"),
        (("> a on b", "> a onto b"), "unknown statement"),
        (("> a on b", "> a between b"), "wrong number"),
        (("object|a red sofa", "thing|a red sofa"), "unknown label"),
        (("[[b|object", "[[a|object"), "id of its own"),
        (("# style: test\n", ""), "no style"),
    ],
)
def test_what_is_no_record_is_refused(scripts, change, problem):
    with pytest.raises(ValueError, match=problem):
        scripts.markup.parse(RECORD.replace(*change))


def test_all_marked_and_fresh_prompts_are_records(scripts):
    for record in scripts.markup.read(*FOLDER.glob("marked/*.txt"), *FOLDER.glob("fresh*/*.txt")):
        for _, what, *others in record.statements:
            assert what in (*RELATIONS, "of", "member", "at", "as")
            assert what != "at" or others[0] in PLACES
        for mention in record.mentions:
            assert record.prompt[mention.start : mention.end].strip()


def test_ground_truth_names_members_by_their_group(scripts):
    record = scripts.markup.parse(
        "# style: test\n[[a|object*2|Two knights]], [[b|object|one]] on [[c|object|a horse]], no [[|absent|dogs]]\n"
        "> b on c\n> b member a\n"
    )
    truth = scripts.ground_truth.ground_truth(record, "x")
    assert truth["objects"] == ["Two knights", "knight", "horse"] and truth["excluded"] == ["dogs"]
    assert truth["relations"] == [{"subject": "knight", "relation": "on", "object": "horse"}]


# --- generated prompts ----------------------------------------------------------------------------------------------
def test_generated_sentences_are_marked_where_their_things_stand(scripts, stock):
    grammar = scripts.grammar.Grammar(stock, random.Random(0))
    for _ in range(500):
        record = grammar.text()
        first = {mention.things[0] for mention in record.mentions if mention.label not in ("=", "absent")}
        for before, mention in zip((None, *record.mentions), record.mentions):
            assert 0 <= (before.end if before else 0) <= mention.start < mention.end <= len(record.prompt)
            assert first.issuperset(mention.things)
        for subject, what, *others in record.statements:
            assert subject in first
            assert what in ("at", "as") or first.issuperset(others)


def test_a_pronoun_in_a_later_sentence_is_what_the_sentence_before_began_with(scripts, stock):
    patterns = [(1, [("{a} {R} {b}", "a R b")])]
    grammar = scripts.grammar.Grammar(stock, random.Random(0))
    with mock.patch.object(scripts.grammar, "_patterns", lambda: patterns):
        records = [grammar.text() for _ in range(500)]
    spoken = 0
    for record in records:
        if any(mention.label not in ("object", "=") for mention in record.mentions):
            continue  # more than the two of each sentence
        text, sentences = record.prompt, [record.mentions[i : i + 2] for i in range(0, len(record.mentions), 2)]
        for before, sentence in zip(sentences, sentences[1:]):
            for mention in sentence:
                if text[mention.start : mention.end].lower() in ("it", "he", "she", "they", "him", "her", "them"):
                    assert mention.things == before[0].things, text
                    spoken += 1
    assert spoken > 50


def test_the_same_is_often_said_of_different_things(scripts, stock):
    grammar = scripts.grammar.Grammar(stock, random.Random(0))
    shared = 0
    for _ in range(1000):
        record = grammar.text()
        names = [record.prompt[m.start : m.end].lower().split() for m in record.mentions if m.label == "object"]
        described = [words[1] for words in names if len(words) == 3 and words[0] in ("a", "an", "the")]
        shared += len(set(described)) < len(described)
    assert shared > 50


def test_every_pattern_can_be_written(scripts, stock):
    for _, lines in scripts.grammar._patterns():
        for pattern, said in lines:
            with mock.patch.object(scripts.grammar, "_patterns", lambda line=(pattern, said): [(1, [line])]):
                record = scripts.grammar.Grammar(stock, random.Random(1)).text()
            assert record.prompt and len(record.statements) >= len(said.split(";")) * bool(said.strip())


def test_what_is_rewritten_keeps_its_mentions(scripts, stock, marked):
    dice = random.Random(0)
    for record in marked[:300]:
        other = scripts.rewriting.rewritten(record, stock, dice)
        assert len(other.mentions) == len(record.mentions)
        assert all(0 <= mention.start <= mention.end <= len(other.prompt) for mention in other.mentions)


def test_an_edit_moves_what_comes_after_it(scripts):
    record = scripts.rewriting.rewrite(scripts.markup.parse(RECORD), [(0, 2, ""), (6, 10, "sat")])
    assert record.prompt.startswith("cat sat on a red sofa")
    texts = [record.prompt[mention.start : mention.end] for mention in record.mentions]
    assert texts == ["cat", "a red sofa", "its", "two lamps", "tail", "dogs"]


def test_what_is_added_after_a_mention_is_no_part_of_it(scripts):
    record = scripts.markup.parse("# style: test\na cat on [[a|object|a sofa]]\n")
    other = scripts.rewriting.rewrite(record, [(len(record.prompt), len(record.prompt), ", 8k")])
    (mention,) = other.mentions
    assert (other.prompt, other.prompt[mention.start : mention.end]) == ("a cat on a sofa, 8k", "a sofa")


def test_syntax_of_other_tools_is_taken_out_of_marked_prompts(scripts):
    record = scripts.markup.parse("# style: tags\n1girl, [[a|worn|(red_scarf:1.3)]], <lora:x:1>, [[b|object|dog]]\n")
    record = scripts.rewriting.cleaned(record)
    assert record.prompt == "1girl, red scarf, dog"
    assert [record.prompt[mention.start : mention.end] for mention in record.mentions] == ["red scarf", "dog"]


# --- targets, and learning ------------------------------------------------------------------------------------------
def test_targets_say_what_the_marks_say(scripts, tokenizer):
    one = scripts.targets.example(scripts.markup.parse(RECORD), tokenizer)
    labels = [LABELS[label] for label in one.labels]
    assert labels == ["object", "object", "later", "object", "part", "absent"]
    assert PAIR_CLASSES[one.relations[0, 1]] == "on"
    assert PAIR_CLASSES[one.relations[2, 3]] == "right of" and one.relations[0, 3] == scripts.targets.UNTOLD
    assert one.links[0, 2, LINKS.index("same")] == 1 and one.links[2, 4, LINKS.index("owner")] == 1
    assert one.places == [([3], list(PLACES).index("left"))]
    assert one.counts.tolist()[3] == 2 and ARRANGEMENTS[one.arrangements[3] - 1] == "row"


def test_a_small_network_learns_a_record_and_reads_it(scripts, tokenizer):
    torch.manual_seed(0)
    record = scripts.markup.parse(RECORD)
    config = ReaderConfig(
        vocabulary_size=tokenizer.get_vocab_size(), width=64, layers=2, heads=4, feed_forward=128, pair_width=32
    )
    network = ReaderNetwork(config)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    batch = [scripts.targets.example(record, tokenizer)] * 2
    weights = dict.fromkeys(scripts.losses.PARTS, 1.0)
    values = []
    for _ in range(80):
        total = sum(scripts.losses.loss(network, batch, weights).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(total.item())
    assert values[-1] < 0.05 * values[0]
    reading = Reader(network.eval(), tokenizer).read(record.prompt)
    found = [(entity.phrase, entity.kind, entity.count, entity.arrangement) for entity in reading.entities]
    assert found == [
        ("A cat", "object", 1, None), ("a red sofa", "object", 1, None), ("two lamps", "object", 2, "row"),
        ("tail", "part", 1, None), ("dogs", "absent", 1, None),
    ]  # fmt: skip
    told = {(s.subject, s.relation, s.object) for s in (*reading.relations, *reading.links)}
    assert told == {(0, "on", 1), (0, "right of", 2), (2, "left", None), (3, "of", 0)}
    assert reading.entities[0].mentions[1:] == ((record.prompt.index("its left"), record.prompt.index(" left")),)


def test_a_packed_reader_is_trained_further_with_its_sub_words_as_they_are(scripts, tokenizer, tmp_path):
    torch.manual_seed(0)
    config = ReaderConfig(
        vocabulary_size=tokenizer.get_vocab_size(), width=32, layers=2, heads=2, feed_forward=32, pair_width=16
    )
    Reader(ReaderNetwork(config), tokenizer).to_disk(tmp_path / READER_NAME)
    settings = {
        "seed": 0, "rounds": 1, "kept": [], "warm_up": 0.1,
        "rate": {"encoder": 1e-2, "heads": 1e-2}, "weights": dict.fromkeys(scripts.losses.PARTS, 1.0),
        "corpus": {"marked": 0.01, "generated": 20, "tokens": 1000, "longest": 100},
    }  # fmt: skip
    training = scripts.train.Training(tmp_path, settings, tmp_path / "run")
    training.run(minutes=1)
    before, after = ReaderNetwork.load(tmp_path / READER_NAME).state_dict(), training.network.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {"words.weight"}
    mean = scripts.pack.averaged([before, after, before])
    assert torch.equal(mean["words.weight"], before["words.weight"])  # to the last bit, so that its file stays
    torch.testing.assert_close(mean["norm.weight"], (2 * before["norm.weight"] + after["norm.weight"]) / 3)
    packed = scripts.pack.packed(Reader(training.network, tokenizer, ReaderSettings(0.45, 0.35)), [], size=20000)
    assert packed.settings == ReaderSettings(0.45, 0.35)
    assert packed.tokenizer.get_vocab() == tokenizer.get_vocab()
    assert torch.equal(packed.network.words.weight, before["words.weight"])


def test_batches_are_of_prompts_of_about_one_length(scripts, tokenizer):
    settings = {"marked": 0.02, "generated": 40, "tokens": 600, "longest": 320}
    corpus = scripts.corpus.Corpus(tokenizer, settings)
    batches = corpus.round(0)
    assert sum(map(len, batches)) == len(corpus.marked) + 40
    for batch in batches:
        lengths = [len(example.input_ids) for example in batch]
        assert len(batch) == 1 or max(lengths) * len(batch) <= 600
    again = scripts.corpus.Corpus(tokenizer, settings).round(0)
    assert [[one.input_ids for one in batch] for batch in batches] == [[one.input_ids for one in b] for b in again]
