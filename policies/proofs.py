"""What is proven of the rules before they may be rolled out, and what makes a new version wider than the old.

A property is proven when its negation has no model; a model that is found is a counterexample, told in words. What Z3
cannot settle in time counts as not proven.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from policies.constraints import MOST_GROUPS, OBJECTIVES, DataClass, Purpose
from policies.policy import Policy
from policies.symbols import Formula, Formulas, Symbols

__all__ = ["PROPERTIES", "Proof", "prove", "widening"]

PATIENCE_MS: Final = 20_000  # for one question to Z3; they take some milliseconds


@dataclass(frozen=True, slots=True)
class Proof:
    """How one property came out."""

    id: str
    claim: str
    holds: bool
    counterexample: tuple[str, ...] = ()  # `attribute = value` lines; none when it holds


UNSETTLED: Final = ("Z3 found neither a proof nor a counterexample in time",)


@dataclass(frozen=True, slots=True)
class Property:
    """A claim, and the formula that would break it."""

    id: str
    claim: str
    broken: Callable[[Symbols, Formulas], Formula]
    #: Most claims hold when no world breaks them; "not vacuous" holds when some world is found.
    wants_a_world: bool = False


def prove(policy: Policy) -> list[Proof]:
    """Every property of a policy. Raises Refused when the rules use syntax that the translation does not know."""
    symbols = Symbols()
    formulas = symbols.policy(policy)
    return [_settle(symbols, formulas, claim) for claim in PROPERTIES]


def widening(old: Policy, new: Policy) -> tuple[str, ...]:
    """What the new rules permit and the old did not, as `attribute = value` lines; empty when there is nothing."""
    symbols = Symbols()
    before, after = symbols.policy(old), symbols.policy(new)
    wider = symbols.z3.And(after.allowed, symbols.z3.Not(before.allowed))
    return _example(symbols, wider)


def _settle(symbols: Symbols, formulas: Formulas, claim: Property) -> Proof:
    broken = claim.broken(symbols, formulas)
    if claim.wants_a_world:
        found = str(_solver(symbols, broken).check()) == "sat"
        return Proof(claim.id, claim.claim, found, () if found else ("no request at all is permitted",))
    world = _example(symbols, broken)
    return Proof(claim.id, claim.claim, not world, world)


def _example(symbols: Symbols, wanted: Formula) -> tuple[str, ...]:
    """A world in which this is so, one that could be met in practice if there is such; empty when there is none."""
    return _world(symbols, wanted, *_plausible(symbols)) or _world(symbols, wanted)


def _world(symbols: Symbols, *wanted: Formula) -> tuple[str, ...]:
    """A world in which all of this is so, in words; empty when there is none."""
    solver = _solver(symbols, *wanted)
    answer = str(solver.check())
    if answer == "unsat":
        return ()
    return _plainest(symbols, solver) if answer == "sat" else UNSETTLED


def _solver(symbols: Symbols, *wanted: Formula) -> Any:
    solver = symbols.z3.Solver()
    solver.set("timeout", PATIENCE_MS)
    solver.set("random_seed", 1)
    solver.add(*wanted)
    return solver


def _plainest(symbols: Symbols, solver: Any) -> tuple[str, ...]:
    """The world with as much as possible set to nothing, so that a person sees what matters: only that is told."""
    model, spoken, told = solver.model(), list[Formula](), list[str]()
    for path, (sort, symbol) in sorted(symbols.known.items(), key=lambda item: (item[1][0] == "texts", item[0])):
        plain, *others = _values(symbols, sort, spoken)
        for value in (plain, *others):
            better = _agreed(solver, model, symbol == value)
            if better is not None:
                model = better
                break
        value = model.eval(symbol, model_completion=True)
        solver.add(symbol == value)
        spoken += [value] if sort == "text" else []
        if not symbols.z3.eq(value, plain):
            told.append(f"{path} = {_words(symbols, sort, value)}")
    return tuple(line.replace("principal.", "tenant.").replace("resource.", "region.") for line in sorted(told))


def _agreed(solver: Any, model: Any, wish: Formula) -> Any:
    """A model that meets the wish too, the one at hand if it does; None when there is none."""
    if str(model.eval(wish, model_completion=True)) == "True":
        return model
    solver.push()
    solver.add(wish)
    better = solver.model() if str(solver.check()) == "sat" else None
    solver.pop()
    return better


def _values(symbols: Symbols, sort: str, spoken: Sequence[Formula]) -> list[Formula]:
    """Values to try, plainest first; sets hold one of the words that this world has `spoken`."""
    z3 = symbols.z3
    words = [z3.StringVal(word) for word in sorted(symbols.words)]
    if sort == "texts":
        none = z3.EmptySet(z3.StringSort())
        return [none, *(z3.SetAdd(none, word) for word in spoken)]
    plain = {
        "text": [z3.StringVal(""), *words],
        "number": [z3.IntVal(n) for n in range(5)],
        "truth": [z3.BoolVal(False)],
    }
    return plain[sort]


def _words(symbols: Symbols, sort: str, value: Formula) -> str:
    if sort != "texts":
        return str(value)
    z3 = symbols.z3
    held = [w for w in sorted(symbols.words) if z3.is_true(z3.simplify(z3.IsMember(z3.StringVal(w), value)))]
    return "{" + (", ".join(f'"{word}"' for word in held) or "words that no rule spells out") + "}"


def _plausible(symbols: Symbols) -> list[Formula]:
    """What facts look like in practice, so that a counterexample is one that a person recognises."""
    z3 = symbols.z3
    rules = []
    for path, (sort, symbol) in symbols.known.items():
        if path in _VOCABULARY:
            rules.append(z3.Or(*(symbol == symbols.word(word) for word in _VOCABULARY[path])))
        elif sort == "number":
            rules.append(z3.And(symbol >= 0, symbol <= (4 if ".sov" in path else 30_000)))
    return rules


_JURISDICTIONS: Final = ("EU", "JP", "US")
_VOCABULARY: Final = {
    "context.data_class": tuple(map(str, DataClass)),
    "context.purpose": tuple(map(str, Purpose)),
    "context.subject_region": _JURISDICTIONS,
    "principal.home": _JURISDICTIONS,
    "resource.jurisdiction": _JURISDICTIONS,
    "resource.provider.ownership": _JURISDICTIONS,
}


def _claim(condition: Callable[[Symbols], Formula]) -> Callable[[Symbols, Formulas], Formula]:
    """Broken when something is permitted and the condition does not hold."""
    return lambda s, rules: s.z3.And(rules.allowed, s.z3.Not(condition(s)))


def _stays(s: Symbols, data_class: str, jurisdiction: str) -> Formula:
    home = s.word(jurisdiction)
    kept = s.z3.And(s.text("resource.jurisdiction") == home, s.text("resource.provider.ownership") == home)
    known = s.truth("resource.provider.ownership_known")
    return s.z3.Implies(s.text("context.data_class") == s.word(data_class), s.z3.And(kept, known))


def _member(s: Symbols, text: str, texts: str) -> Formula:
    return s.z3.IsMember(s.text(text), s.texts(texts))


def _disjoint(s: Symbols, one: str, other: str) -> Formula:
    none = s.z3.EmptySet(s.z3.StringSort())
    return s.z3.SetIntersect(s.texts(one), s.texts(other)) == none


def _one_of_each(s: Symbols) -> Formula:
    none = s.z3.EmptySet(s.z3.StringSort())
    slots = [s.texts(f"principal.any_{number + 1}") for number in range(MOST_GROUPS)]
    held = s.texts("resource.certifications")
    return s.z3.And(*(s.z3.Or(slot == none, s.z3.SetIntersect(slot, held) != none) for slot in slots))


def _seal(s: Symbols) -> Formula:
    return s.z3.And(
        *(s.number(f"resource.provider.seal.{o}") >= s.number(f"principal.min_seal.{o}") for o in OBJECTIVES)
    )


def _accepts(s: Symbols, origin: str) -> Formula:
    public = s.text("context.data_class") == s.word("public")
    same = s.text(origin) == s.text("resource.jurisdiction")
    return s.z3.Or(public, same, _member(s, origin, "resource.adequate_for"))


def _current(s: Symbols) -> Formula:
    today = s.number("context.now_day")
    return s.z3.And(s.number("resource.facts_from") <= today, today <= s.number("resource.facts_until"))


def _owner_known(s: Symbols) -> Formula:
    none = s.z3.EmptySet(s.z3.StringSort())
    return s.z3.Or(s.texts("principal.forbidden_ownership") == none, s.truth("resource.provider.ownership_known"))


def _listed(s: Symbols) -> Formula:
    """Not both: the tenant forbids us-1260h, and the supply chain stands on it."""
    word = s.word("us-1260h")
    forbids = s.z3.IsMember(word, s.texts("principal.forbidden_lists"))
    return s.z3.Not(s.z3.And(forbids, s.z3.IsMember(word, s.texts("resource.provider.lists"))))


def _subset(s: Symbols, less: str, more: str) -> Formula:
    return s.z3.IsSubset(s.texts(less), s.texts(more))


def _someone_restricted(s: Symbols, rules: Formulas) -> Formula:
    return s.z3.And(rules.allowed, s.text("context.data_class") == s.word("restricted_eu"))


def _needed(s: Symbols, rules: Formulas) -> Formula:
    return s.z3.And(rules.permit, s.z3.Or(*rules.forbids.values()))


def _unnamed(s: Symbols, rules: Formulas) -> Formula:
    return s.z3.And(s.z3.Not(rules.permit), s.z3.Not(s.z3.Or(*rules.forbids.values())))


PROPERTIES: Final = (
    Property(
        "P1",
        "restricted_eu never leaves an EU-owned region in the EU",
        _claim(lambda s: _stays(s, "restricted_eu", "EU")),
    ),
    Property(
        "P1-JP",
        "restricted_jp never leaves a Japanese-owned region in Japan",
        _claim(lambda s: _stays(s, "restricted_jp", "JP")),
    ),
    Property(
        "P2",
        "what is permitted lies in a jurisdiction that the tenant allows",
        _claim(lambda s: _member(s, "resource.jurisdiction", "principal.allowed_jurisdictions")),
    ),
    Property("P3", "a tenant that forbids us-1260h never lands on a listed provider", _claim(_listed)),
    Property(
        "P3-any",
        "nor does any tenant on any list that it forbids",
        _claim(lambda s: _disjoint(s, "principal.forbidden_lists", "resource.provider.lists")),
    ),
    Property(
        "P3-checked",
        "nor where the supply chain was not compared with that list",
        _claim(lambda s: _subset(s, "principal.forbidden_lists", "resource.provider.lists_checked")),
    ),
    Property(
        "P4",
        "required certifications are always held",
        _claim(lambda s: _subset(s, "principal.required_certifications", "resource.certifications")),
    ),
    Property("P4-any", "so is one of each required group", _claim(_one_of_each)),
    Property("P5", "some restricted_eu request is permitted", _someone_restricted, wants_a_world=True),
    Property("forbids-redundant", "no forbid is needed: the permit alone denies what each of them denies", _needed),
    Property("denials-named", "whatever the permit does not allow, some forbid names", _unnamed),
    Property("confirmed", "only confirmed regions are used", _claim(lambda s: s.truth("resource.confirmed"))),
    Property("current", "no facts are used outside their days", _claim(_current)),
    Property(
        "class",
        "only classes of data that the tenant sends",
        _claim(lambda s: _member(s, "context.data_class", "principal.allowed_classes")),
    ),
    Property(
        "purpose",
        "only purposes that the tenant allows",
        _claim(lambda s: _member(s, "context.purpose", "principal.allowed_purposes")),
    ),
    Property(
        "ownership",
        "never an owner that the tenant forbids",
        _claim(lambda s: s.z3.Not(_member(s, "resource.provider.ownership", "principal.forbidden_ownership"))),
    ),
    Property("ownership-known", "nor an unknown owner for a tenant that forbids some", _claim(_owner_known)),
    Property("seal", "no objective below the tenant's SEAL", _claim(_seal)),
    Property(
        "evidence",
        "no location known worse than the tenant demands",
        _claim(lambda s: s.number("resource.evidence") >= s.number("principal.min_evidence")),
    ),
    Property(
        "transfer",
        "no transfer that the law of the people concerned does not accept",
        _claim(lambda s: _accepts(s, "context.subject_region")),
    ),
    Property(
        "transfer-home",
        "nor one that the law of the tenant's home does not accept",
        _claim(lambda s: _accepts(s, "principal.home")),
    ),
)
