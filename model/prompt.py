"""From what is given to the tokens in front of chunk 0. Training and serving both come through here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.clip import Mode, Size
from model.config import ModelConfig
from model.layout import Kind, Layout, LayoutSpec
from model.tokens import Tokenizer, reference_token
from model.vocabulary import CONTROLS, MOST_TEXT, TEXT_BLOCK, Guide, Vocabulary


def text_ids(text: str, tokenizer: Tokenizer, vocabulary: Vocabulary) -> tuple[list[int], bool]:
    """Token ids of a text, with "[k]" as the token that marks reference k, and whether the text had to be cut."""
    marks = {reference_token(k): vocabulary.reference(k) for k in range(1, vocabulary.config.most_references + 1)}
    ids = [marks.get(i, i) for i in tokenizer.encode(text)]
    return ids[:MOST_TEXT], len(ids) > MOST_TEXT


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prompt:
    """Everything that is known before the first chunk, as tokens and codes."""

    mode: Mode
    size: Size
    seconds: int  # of the window that is decoded
    guide: Guide
    text: tuple[int, ...]
    references: tuple[Tensor, ...] = ()  # int64 [h, w] video codes each
    image: Tensor | None = None  # int64 [H, W] video codes
    source: tuple[Tensor, Tensor] | None = None  # int64 [C, H, W] video codes, [C, A] audio codes

    def spec(self, config: ModelConfig, chunks: int, *, given: int = 0, text: int | None = None) -> LayoutSpec:
        """The layout that this prompt and `chunks` chunks need; `text` tokens are reserved when given."""
        patch = config.video.patch
        return LayoutSpec(
            controls=CONTROLS,
            text=text or max(1, -(-len(self.text) // TEXT_BLOCK)) * TEXT_BLOCK,
            height=self.size.height // patch,
            width=self.size.width // patch,
            chunks=chunks,
            audio=config.audio_codes,
            references=tuple((int(r.shape[0]), int(r.shape[1])) for r in self.references),
            image=self.image is not None,
            source=self.source is not None,
            given=given,
        )

    def tokens(self, vocabulary: Vocabulary, layout: Layout) -> Tensor:
        """Tokens [S] of the whole sequence; slots that are yet to be decoded hold PAD."""
        out = torch.full((layout.slots,), vocabulary.fixed("pad"), dtype=torch.int64)
        out[:CONTROLS] = torch.tensor(vocabulary.controls(self.mode, self.size, self.seconds, self.guide))
        out[CONTROLS : CONTROLS + len(self.text)] = torch.tensor(self.text, dtype=torch.int64)
        at = CONTROLS + layout.spec.text
        for k, codes in enumerate(self.references, 1):
            out[at] = vocabulary.reference(k)
            out[at + 1 : at + 1 + codes.numel()] = codes.flatten().cpu() + vocabulary.video
            at += 1 + codes.numel()
        if self.image is not None:
            out[at] = vocabulary.fixed("image")
            out[at + 1 : at + 1 + self.image.numel()] = self.image.flatten().cpu() + vocabulary.video
            at += 1 + self.image.numel()
        if self.source is not None:
            out[at] = vocabulary.fixed("source")
            slots = np.arange(at + 1, layout.begin)
            chunk = np.repeat(np.arange(layout.spec.chunks), layout.spec.chunk_slots)
            index = layout.index[slots]
            seen = layout.kind[slots] == Kind.SOURCE_VIDEO
            video, audio = (part.flatten(1).cpu() for part in self.source)
            out[slots[seen]] = video[chunk[seen], index[seen]] + vocabulary.video
            out[slots[~seen]] = audio[chunk[~seen], index[~seen]] + vocabulary.audio
        out[layout.begin] = vocabulary.fixed("begin")
        return out
