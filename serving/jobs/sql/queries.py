"""The named blocks of `queries.sql`, ready for one of the two databases."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from sqlalchemy import TextClause, TextualSelect, bindparam, column, text

_HEAD: Final = re.compile(r"^-- :(name|part) (\w+)\n", re.MULTILINE)
_ONLY: Final = re.compile(r"^(.*?) *--@(\w+)\n", re.MULTILINE)
_LISTS: Final = ("states", "ids", "tenants", "keys")  # parameters that are several values
_PART: Final = re.compile(r"\{(\w+)\}")

Query = TextClause | TextualSelect


@cache
def queries(dialect: str) -> Mapping[str, Query]:
    """All named blocks for `sqlite` or `postgresql`."""
    source = (files(__package__) / "queries.sql").read_text(encoding="utf-8")
    blocks = parse(source, dialect)
    job = re.split(r",\s+", _split(source, dialect)["columns"][1])
    return MappingProxyType({name: _clause(sql, job) for name, sql in blocks.items()})


def parse(source: str, dialect: str) -> dict[str, str]:
    """Named blocks with their parts taken in and the other database's lines left out."""
    blocks = _split(source, dialect)
    parts = {name: body for name, (kind, body) in blocks.items() if kind == "part"}
    return {name: _whole(body, parts) for name, (kind, body) in blocks.items() if kind == "name"}


def _split(source: str, dialect: str) -> dict[str, tuple[str, str]]:
    """Kind and bare body of every block."""
    source = _ONLY.sub(lambda line: f"{line[1]}\n" if line[2] == dialect else "", source)
    found = iter(_HEAD.split(source)[1:])
    return {name: (kind, _bare(body)) for kind, name, body in zip(found, found, found, strict=True)}


def _bare(body: str) -> str:
    return "\n".join(line for line in body.splitlines() if line.strip() and not line.startswith("--"))


def _whole(sql: str, parts: Mapping[str, str]) -> str:
    while _PART.search(sql):
        sql = _PART.sub(lambda part: parts[part[1]], sql)
    return sql


def _clause(sql: str, job: Sequence[str]) -> Query:
    """A statement; one that answers with jobs knows its columns, so they are not worked out again for every answer."""
    clause = text(sql)
    if lists := [name for name in _LISTS if f":{name}" in sql]:
        clause = clause.bindparams(*(bindparam(name, expanding=True) for name in lists))
    if ", ".join(job) in re.sub(r"\s+", " ", sql):
        return clause.columns(*(column(name.split()[-1].strip('"')) for name in job))
    return clause
