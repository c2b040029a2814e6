"""Documents of ours in JSON, read strictly: no key twice, no unknown field, no fraction for a whole number."""

from __future__ import annotations

import json
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from policies.errors import Malformed

__all__ = ["parse"]

MOST_BYTES: Final = 1 << 20
M = TypeVar("M", bound=BaseModel)


def parse(kind: type[M], text: bytes, what: str) -> M:
    """A document, checked. `what` names it in errors: "price book". Raises Malformed with the field that is wrong."""
    if len(text) > MOST_BYTES:
        raise Malformed(f"This {what} has {len(text):,} bytes, and {MOST_BYTES:,} are allowed.")
    try:
        json.loads(text.decode("utf-8"), object_pairs_hook=_once)
        return kind.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise Malformed(f"The {what} does not hold{f' at {place}' if place else ''}: {reason}.") from None
    except (ValueError, RecursionError) as error:
        raise Malformed(f"The {what} is not JSON in UTF-8: {error}.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses a key that occurs twice, of which readers take one or the other."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found
