"""Cedar's typed syntax tree as formulas of Z3, for all tenants and regions at once.

Every attribute becomes a free symbol, so what is proven holds for facts that nobody has written down yet. Only the
syntax that is listed here is understood; anything else stops the proof, since a formula that leaves something out
would prove something else. Conditions are taken to evaluate without error: the schema makes every attribute present,
and a permit that fails to evaluate denies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from policies.errors import Refused, Unavailable
from policies.policy import Policy

__all__ = ["Formula", "Formulas", "Symbols", "z3_module"]

Formula = Any  # z3 has no types of its own


def z3_module() -> Any:
    """The prover. Raises Unavailable when it is not installed."""
    try:
        import z3
    except ImportError:
        raise Unavailable("Z3 is not installed, so nothing can be proven. Run `pip install 'equerry[dev]'`.") from None
    return z3


@dataclass(frozen=True, slots=True)
class Formulas:
    """One policy: when its permit applies, and when each forbid does, by id."""

    permit: Formula
    forbids: dict[str, Formula]

    @property
    def allowed(self) -> Formula:
        """When Cedar answers Allow."""
        z3 = z3_module()
        return z3.And(self.permit, z3.Not(z3.Or(*self.forbids.values())))


@dataclass(slots=True)
class Symbols:
    """One symbol for each attribute; policies that are compared share them."""

    z3: Any = field(default_factory=z3_module)
    known: dict[str, tuple[str, Formula]] = field(default_factory=dict)  # by path: sort and symbol
    words: set[str] = field(default_factory=set)  # every text that a rule spells out

    def text(self, path: str) -> Formula:
        """A text attribute, such as `resource.jurisdiction`."""
        return self._symbol(path, "text")

    def number(self, path: str) -> Formula:
        """A whole number."""
        return self._symbol(path, "number")

    def truth(self, path: str) -> Formula:
        """A truth value."""
        return self._symbol(path, "truth")

    def texts(self, path: str) -> Formula:
        """A set of texts."""
        return self._symbol(path, "texts")

    def word(self, value: str) -> Formula:
        """A text that is spelt out."""
        self.words.add(value)
        return self.z3.StringVal(value)

    def policy(self, policy: Policy) -> Formulas:
        """A policy as formulas. Raises Refused at anything that this translation does not know."""
        import cedarpy

        try:
            parsed = cedarpy.policies_to_pst(policy.rules)
        except ValueError as error:
            raise Refused(f"Cedar cannot read these rules: {error}. Run `equerry policy lint`.") from None
        if parsed.templates or parsed.template_links:
            raise Refused("These rules hold templates, which are not translated; write them out.")
        permits, forbids = [], {}
        for rule in parsed.static_policies.values():
            applies = self._applies(rule)
            if rule.effect == "permit":
                permits.append(applies)
            else:
                forbids[rule.annotations.get("id", rule.id)] = applies
        return Formulas(self.z3.Or(*permits), forbids)

    def _applies(self, rule: Any) -> Formula:
        scope = (_name(rule.principal), _name(rule.action), _name(rule.resource))
        if scope != ("ScopeIs Tenant", 'ActionEq Action::"run"', "ScopeIs Region"):
            raise Refused(f"The scope of {rule.id} is not the one that all rules share: {', '.join(scope)}.")
        return self.z3.And(*(self._clause(clause) for clause in rule.clauses))

    def _clause(self, clause: Any) -> Formula:
        match type(clause).__name__:
            case "When":
                return self.formula(clause.expr)
            case "Unless":
                return self.z3.Not(self.formula(clause.expr))
        raise _unknown(clause)

    def formula(self, node: Any) -> Formula:
        """A condition as a formula."""
        match type(node).__name__:
            case "BoolLit":
                return self.z3.BoolVal(node.value)
            case "GetAttr":
                return self.truth(_path(node))
            case "UnaryOp":
                return self._unary(node)
            case "BinaryOp":
                return self._binary(node)
        raise _unknown(node)

    def _unary(self, node: Any) -> Formula:
        match node.op:
            case "not":
                return self.z3.Not(self.formula(node.arg))
            case "is_empty":
                return self.set_of(node.arg) == self.z3.EmptySet(self.z3.StringSort())
        raise _unknown(node)

    def _binary(self, node: Any) -> Formula:
        z3 = self.z3
        if node.op in _LOGIC:
            return getattr(z3, _LOGIC[node.op])(self.formula(node.left), self.formula(node.right))
        if node.op in _ORDER:
            return _ORDER[node.op](self.number_of(node.left), self.number_of(node.right))
        match node.op:
            case "eq":
                return self.text_of(node.left) == self.text_of(node.right)
            case "not_eq":
                return self.text_of(node.left) != self.text_of(node.right)
            case "contains":
                return z3.IsMember(self.text_of(node.right), self.set_of(node.left))
            case "contains_all":
                return z3.IsSubset(self.set_of(node.right), self.set_of(node.left))
            case "contains_any":
                both = z3.SetIntersect(self.set_of(node.left), self.set_of(node.right))
                return both != z3.EmptySet(z3.StringSort())
        raise _unknown(node)

    def text_of(self, node: Any) -> Formula:
        """An expression that is a text. Numbers are not compared with `==` in our rules, so equality is of texts."""
        if type(node).__name__ == "StringLit":
            return self.word(node.value)
        return self.text(_path(node))

    def number_of(self, node: Any) -> Formula:
        """An expression that is a whole number."""
        return self.z3.IntVal(node.value) if type(node).__name__ == "LongLit" else self.number(_path(node))

    def set_of(self, node: Any) -> Formula:
        """An expression that is a set of texts."""
        if type(node).__name__ != "Set":
            return self.texts(_path(node))
        whole = self.z3.EmptySet(self.z3.StringSort())
        for element in node.elements:
            whole = self.z3.SetAdd(whole, self.text_of(element))
        return whole

    def _symbol(self, path: str, sort: str) -> Formula:
        if path not in self.known:
            self.known[path] = (sort, self.z3.Const(path, self._sort(sort)))
        known, symbol = self.known[path]
        if known != sort:
            raise Refused(f"{path} is used as {sort} here and as {known} elsewhere; these rules cannot be compared.")
        return symbol

    def _sort(self, sort: str) -> Any:
        z3 = self.z3
        sorts = {"text": z3.StringSort, "number": z3.IntSort, "truth": z3.BoolSort}
        return z3.SetSort(z3.StringSort()) if sort == "texts" else sorts[sort]()


_LOGIC: Final = {"and": "And", "or": "Or"}
_ORDER: Final[dict[str, Callable[[Formula, Formula], Formula]]] = {
    "less": lambda left, right: left < right,
    "less_eq": lambda left, right: left <= right,
    "greater": lambda left, right: left > right,
    "greater_eq": lambda left, right: left >= right,
}


def _path(node: Any) -> str:
    """`resource.provider.ownership` of a chain of attributes."""
    match type(node).__name__:
        case "Var":
            return str(node.name)
        case "GetAttr":
            return f"{_path(node.base)}.{node.attr}"
    raise _unknown(node)


def _name(scope: Any) -> str:
    target = getattr(scope, "entity_type", None) or getattr(scope, "entity", None) or ""
    return f"{type(scope).__name__} {target}".strip()


def _unknown(node: Any) -> Refused:
    what = f"{type(node).__name__} {getattr(node, 'op', '')}".strip()
    return Refused(
        f"The rules use {what}, which the proofs do not know. Write it otherwise, or teach policies/symbols.py."
    )
