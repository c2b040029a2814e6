"""From words to numbers: byte pairs, learnt from the captions that the trunk is trained with.

Any text has tokens, since every byte is one. Case does not count, and neither do the forms that Unicode holds to be
compatible, so "ＲＥＤ" is "red". The names of references, "[1]" to "[9]", are tokens of their own and have the first
numbers. Japanese is written without spaces, so it is first cut before and after particles: a word keeps its tokens
wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from model.clip import Mode, Size
from model.errors import BadWeights
from model.world.episodes import REFERENCES, sample_episode

VOCABULARY: Final = 1024
CORPUS_MODES: Final = (Mode.T2V, Mode.EDIT, Mode.R2V)  # drawn in equal parts

_JAPANESE: Final = r"[\p{Han}\p{Katakana}ー々]"
_PARTICLE: Final = "[がをはのにへでと]"
_WORD: Final = "|".join(
    (
        r" ?\p{Latin}+'?",
        rf"{_JAPANESE}+(?={_PARTICLE})",
        rf"(?<!\p{{Hiragana}}){_PARTICLE}",
        rf"{_JAPANESE}+\p{{Hiragana}}*",
        r"\p{Hiragana}+",
        r" ?[\p{L}\p{M}]+",
        r" ?\p{N}",
        r"\s+",
        r" ?[^\s\p{L}\p{M}\p{N}]",
    )
)


def reference_token(k: int) -> int:
    """The token of the reference that a caption calls [k]."""
    if not 1 <= k <= REFERENCES:
        raise ValueError(f"no caption can name a reference [{k}]")
    return k - 1


class Tokenizer:
    """A learnt vocabulary."""

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        self._inner = inner

    @property
    def vocabulary(self) -> int:
        """How many tokens there are: each is at least 0 and below this."""
        return self._inner.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str) -> list[int]:
        """The tokens of any text at all; half a surrogate pair counts as a replacement character."""
        return list(self._inner.encode(_whole(text), add_special_tokens=False).ids)

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens, as `normal` writes it."""
        return self._inner.decode(list(tokens), skip_special_tokens=False)

    def normal(self, text: str) -> str:
        """A text in the form in which it has tokens: lower case, composed, compatible forms made one."""
        assert self._inner.normalizer is not None
        return self._inner.normalizer.normalize_str(_whole(text))

    def save(self, path: Path) -> None:
        """Write tokenizer.json."""
        self._inner.save(str(path))

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read tokenizer.json, or refuse it."""
        try:
            body = path.read_bytes()
        except OSError as error:
            raise BadWeights(f"{path} is not a tokenizer: {error.strerror}. Install the weights again.") from error
        return cls.read(body, path)

    @classmethod
    def read(cls, body: bytes, path: Path) -> Tokenizer:
        """What tokenizer.json holds, or a refusal that names its path."""
        try:
            inner = tokenizers.Tokenizer.from_buffer(body)
        except Exception as error:  # the library raises nothing narrower
            raise BadWeights(f"{path} is not a tokenizer: {error}. Install the weights again.") from error
        if any(inner.token_to_id(f"[{k}]") != reference_token(k) for k in range(1, REFERENCES + 1)):
            raise BadWeights(f"{path} does not name references as ours does. Install the weights again.")
        return cls(inner)


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def train_tokenizer(texts: Iterable[str], vocabulary: int = VOCABULARY) -> Tokenizer:
    """Learn a vocabulary of at most the given size; the same texts give the same bytes of tokenizer.json."""
    inner = tokenizers.Tokenizer(models.BPE())
    inner.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(_WORD), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    names = [tokenizers.AddedToken(f"[{k}]", normalized=True) for k in range(1, REFERENCES + 1)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=names,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    return Tokenizer(inner)


def corpus(seed: int, n: int) -> Iterator[str]:
    """`n` captions such as training draws, in all languages."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        yield sample_episode(rng, CORPUS_MODES[i % len(CORPUS_MODES)], Size(64, 64)).caption.text
