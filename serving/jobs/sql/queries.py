"""The named blocks of `queries.sql`, ready for one of the two databases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from sqlalchemy import TextClause, bindparam, text

_HEAD: Final = re.compile(r"^-- :(name|part) (\w+)\n", re.MULTILINE)
_ONLY: Final = re.compile(r"^(.*?) *--@(\w+)\n", re.MULTILINE)
_PART: Final = re.compile(r"\{(\w+)\}")


@cache
def queries(dialect: str) -> Mapping[str, TextClause]:
    """All named blocks for `sqlite` or `postgresql`."""
    source = (files(__package__) / "queries.sql").read_text(encoding="utf-8")
    return MappingProxyType({name: _clause(sql) for name, sql in parse(source, dialect).items()})


def parse(source: str, dialect: str) -> dict[str, str]:
    """Named blocks with their parts taken in and the other database's lines left out."""
    source = _ONLY.sub(lambda line: f"{line[1]}\n" if line[2] == dialect else "", source)
    found = _HEAD.split(source)[1:]
    blocks = {name: (kind, body) for kind, name, body in zip(*[iter(found)] * 3, strict=True)}
    parts = {name: _bare(body) for name, (kind, body) in blocks.items() if kind == "part"}
    return {name: _whole(_bare(body), parts) for name, (kind, body) in blocks.items() if kind == "name"}


def _bare(body: str) -> str:
    return "\n".join(line for line in body.splitlines() if line.strip() and not line.startswith("--"))


def _whole(sql: str, parts: Mapping[str, str]) -> str:
    while _PART.search(sql):
        sql = _PART.sub(lambda part: parts[part[1]], sql)
    return sql


def _clause(sql: str) -> TextClause:
    clause = text(sql)
    return clause.bindparams(bindparam("states", expanding=True)) if ":states" in sql else clause
