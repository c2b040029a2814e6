from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import BadWeights
from model.tokens import Tokenizer, corpus, reference_token, train_tokenizer

TEXTS = list(corpus(0, 2_000))
OURS = train_tokenizer(TEXTS)


def written(tokenizer: Tokenizer, path: Path) -> bytes:
    tokenizer.save(path)
    return path.read_bytes()


@given(st.text(alphabet=st.characters()))  # lone surrogates too
def test_any_text_comes_back_in_its_normal_form(text: str) -> None:
    tokens = OURS.encode(text)

    assert OURS.decode(tokens) == OURS.normal(text)
    assert all(0 <= token < OURS.vocabulary for token in tokens)


@pytest.mark.parametrize(
    "text", ["", "\x00\x1b\x7f", "\ud800", "x\udfff", "👩‍👩‍👧", "שלום עליכם", "\ufeff", "e\u0301", "[0] [10] [[3]"]
)
def test_odd_texts_have_tokens(text: str) -> None:
    assert OURS.decode(OURS.encode(text)) == OURS.normal(text)


@pytest.mark.parametrize("k", range(1, 10))
def test_a_reference_is_one_token_wherever_it_stands(k: int) -> None:
    for text in (f"[{k}]", f"replace the ring with [{k}].", f"円を[{k}]に", f"x[{k}]y", f"［{k}］"):
        assert OURS.encode(text).count(reference_token(k)) == 1
    assert OURS.encode(f"[{k}]") == [reference_token(k)]


def test_only_the_numbers_of_references_are_their_tokens() -> None:
    names = {reference_token(k) for k in range(1, 10)}

    assert len(names) == 9
    assert not names & set(OURS.encode("[0] [10] [ 3 ] [a] 3 ]["))
    with pytest.raises(ValueError, match="reference"):
        reference_token(10)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A RED Circle", "a red circle"),
        ("ein GROẞES Quadrat", "ein großes quadrat"),
        ("une croix bleue, CARRÉ", "une croix bleue, carre\u0301"),
        ("ＲＥＤ ［３］", "red [3]"),
        ("ｺﾞﾑ", "ゴム"),
    ],
)
def test_case_and_ways_of_typing_do_not_count(one: str, other: str) -> None:
    assert OURS.encode(one) == OURS.encode(other)


def test_the_words_of_captions_are_learnt_whole() -> None:
    for word in (" circle", " background", "赤い", "背景", "ゆっくり", " hintergrund", " cercle", " sur"):
        assert len(OURS.encode(word)) == 1, word


def test_a_japanese_word_keeps_its_tokens_wherever_it_stands() -> None:
    (slowly,) = OURS.encode("ゆっくり")

    assert all(slowly in OURS.encode(text) for text in ("[1]がゆっくり弾む", "円がゆっくり弾む", "ゆっくり上へ"))


def test_captions_are_short() -> None:
    lengths = [len(OURS.encode(text)) for text in corpus(1, 1_000)]

    assert sum(lengths) / len(lengths) < 13
    assert max(lengths) < 64


def test_the_same_texts_give_the_same_file(tmp_path: Path) -> None:
    again = train_tokenizer(corpus(0, 2_000))

    assert written(OURS, tmp_path / "one.json") == written(again, tmp_path / "two.json")


def test_a_saved_vocabulary_is_the_same_when_loaded(tmp_path: Path) -> None:
    OURS.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")

    assert loaded.vocabulary == OURS.vocabulary == 1024
    assert [loaded.encode(text) for text in TEXTS] == [OURS.encode(text) for text in TEXTS]


def test_a_vocabulary_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with pytest.raises(BadWeights, match="not a tokenizer"):
        Tokenizer.load(path)
    whole = written(OURS, path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadWeights, match="not a tokenizer"):
        Tokenizer.load(path)
    path.write_bytes(whole.replace(b'"[3]"', b'"[x]"'))
    with pytest.raises(BadWeights):
        Tokenizer.load(path)
