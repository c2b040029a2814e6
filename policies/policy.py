"""The rules as a document: Cedar text and its schema, with one digest.

Only text is handled here, so that reading, naming and signing a policy needs no engine. `policies/cedar.py` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from policies.canonical import Digest, decode, encode, sha256
from policies.errors import Malformed

__all__ = ["Policy"]

_V = "equerry.policy/1"


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules and the schema that types them."""

    schema: str
    rules: str

    @property
    def canonical(self) -> bytes:
        """The bundle that the log's `pol` names."""
        return encode({"v": _V, "schema": self.schema, "rules": self.rules})

    @property
    def digest(self) -> Digest:
        """SHA-256 of the bundle."""
        return sha256(self.canonical)

    @classmethod
    def parse(cls, bundle: bytes) -> Policy:
        """A policy from its bundle. Raises Malformed."""
        value = decode(bundle)
        if not isinstance(value, Mapping) or set(value) != {"v", "schema", "rules"} or value["v"] != _V:
            raise Malformed(f"This is not an {_V} bundle of schema and rules.")
        schema, rules = value["schema"], value["rules"]
        if not isinstance(schema, str) or not isinstance(rules, str):
            raise Malformed("The schema and the rules of a policy bundle are text.")
        return cls(schema, rules)

    @classmethod
    def shipped(cls) -> Policy:
        """The policy that comes with this package."""
        folder = files("policies") / "rules"
        schema, rules = (folder / "schema.cedarschema"), (folder / "rules.cedar")
        return cls(schema.read_text(encoding="utf-8"), rules.read_text(encoding="utf-8"))
