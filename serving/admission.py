"""The edge of admission: what the store says now, joined with what was promised, learnt and priced.

The line is looked at afresh a few times a second, not for each request, and what this gateway takes on meanwhile is
added to what it saw. Other gateways may take on jobs in that time, so a promise can be short by a few films; limits and
caps cannot, since the store holds them in the transaction that makes the job.
"""

from __future__ import annotations

import threading
from bisect import insort
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from model.clip import Size
from policies.clip_facts import ClipFacts, resolution_of
from policies.clip_facts import Mode as Priced
from policies.errors import PolicyError
from policies.money import Currency
from policies.prices import PriceBook, Quote, in_force, quote
from policies.promises import Promise, promise
from policies.sla import Rejection, Sla
from serving.desk import Caller
from serving.errors import BadField, Broken, Limited
from serving.jobs.job import Draft, Job, TenantId
from serving.jobs.store import Store
from serving.meter import usage
from serving.meter.account import HOUR_MS, Account, quotas_of, subject
from serving.sla.admission import Taken, Turned, consider
from serving.sla.forecast import Calm, Forecast, begins, forecast_of, served
from serving.sla.line import LAST, Line, Waiting, line_of
from serving.sla.pace import Estimate, Pace, Sample, learn
from serving.sla.shares import Refused, Shares, shares_of
from serving.sla.terms import Terms
from serving.sla.work import Work
from serving.wish import Role, Wish

__all__ = ["Admission", "Offer"]

LEARN_FROM: Final = 256  # films
REMEMBERED: Final = 1_024  # refusals
NO_HANDS_WAIT: Final = 30  # seconds after which it is worth asking whether a studio is back


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the cell agrees to when nothing else was agreed with a tenant."""

    sla: Sla
    books: Sequence[PriceBook]
    currency: Currency
    keep_ms: int  # how long a film can be fetched
    region: str  # of the catalogue; no other region is ever looked at
    first_ms_per_second: int = 5_000  # that a second of film takes a hand, until anything was measured
    look_ms: int = 250  # how old a look at the line may be; 0 looks for each request
    learn_ms: int = 2_000  # the same for pace and accounts
    most: int = 4_096  # jobs of the line that are looked at


class Admission:
    """Safe to use from several threads. `hands` is how many jobs are made at once in the whole cell."""

    def __init__(
        self, store: Store, offer: Offer, *, work: Work, hands: Callable[[], int], clock: Callable[[], int]
    ) -> None:
        """`clock` gives milliseconds that never go back, such as those of `time.monotonic`."""
        self.store, self.offer, self.work, self.hands, self.clock = store, offer, work, hands, clock
        self._turn = threading.Lock()  # guards all below
        self._line = Line(now=0, hands=0, busy_ms=(), waiting=())
        self._begins: Mapping[str, tuple[int, int]] = {}  # place and start of each waiting job
        self._pace, self._samples, self._shares = Pace(pooled=None), list[Sample](), Shares()
        self._forecast, self._calm = Forecast(), Calm()
        self._refused: deque[Refused] = deque(maxlen=REMEMBERED)  # by this gateway
        self._accounts = dict[str, Account]()
        self._looked = self._learnt = -(2**62)

    def agree(self, draft: Draft, caller: Caller, wish: Wish, input_ms: int) -> Draft:
        """The draft with its terms. Raises Limited with an honest wait, BadField for what no wait can help.

        `wish` is settled; `input_ms` is the length of the film that is edited or extended. A repeat of an earlier
        request is let through, for the store to find the earlier job.
        """
        facts = _facts(wish, input_ms)
        promised = self._promise(caller.sla, facts)
        work = self.work(wish.mode, _size(wish), wish.seconds or 1, _references(wish))
        first = self.offer.first_ms_per_second * facts.output_ms // 1000
        with self._turn:
            self._look()
            cost = self._pace.estimate(f"{facts.mode}/{facts.resolution}", work, first)
            found = consider(
                self._line, promised, cost, self._shares, region=self.offer.region, forecast=self._forecast
            )
            if isinstance(found, Taken):
                self._join(draft, found, cost)
            elif found.retry_ms:
                self._refused.append(Refused(self._line.now, found.patience_ms, cost.ms))
        if isinstance(found, Turned):
            return self._refuse(draft, found, promised, cost)
        return self._with_terms(draft, caller, facts, promised, work, cost, found)

    def limited(self, tenant: str) -> None:
        """Count a request that broke a quota."""
        self.store.turn_away(TenantId(tenant), Rejection.RATE_LIMITED)

    def foretell(self, job: Job) -> tuple[int, int] | None:
        """Place in the line and milliseconds until the film is there; None for a job that was not seen waiting."""
        with self._turn:
            self._look()
            seen = self._begins.get(job.id)
            if seen is None:
                return None
            patience = LAST if job.due is None else job.due - job.created
            return seen[0], round(begins(seen[1], patience, self._forecast)) + job.estimated_ms

    def _promise(self, service: str, facts: ClipFacts) -> Promise:
        try:
            return promise(self.offer.sla.by_name(service), facts)
        except PolicyError:
            raise Broken(f"The class of service {service!r} of a tenant is not in the SLA document.") from None

    def _price(self, facts: ClipFacts, currency: Currency) -> Quote:
        now = self._line.now
        try:
            return quote(in_force(self.offer.books, now), facts, currency, now)
        except PolicyError as error:
            raise Broken(f"A film has no price, so none is taken on. {error}") from None

    def _look(self) -> None:
        now = self.clock()
        if now - self._learnt >= self.offer.learn_ms:
            self._learn()
            self._learnt = now
        if now - self._looked >= self.offer.look_ms:
            self._line = line_of(self.store.now(), max(0, self.hands()), *self.store.line(self.offer.most))
            self._begins = {
                each.id: (place, start)
                for place, (each, start) in enumerate(zip(self._line.waiting, self._line.starts, strict=True))
            }
            self._shares = shares_of(self._samples, self._line, self._refused)
            self._calm.look(served(self._samples, self._line.now, self._line.hands), self._line)
            self._forecast = forecast_of(self._samples, self._line, self._calm.parts, self._refused)
            self._looked = now

    def _learn(self) -> None:
        self._samples = usage.samples(self.store.newest_usage(LEARN_FROM))
        self._pace = learn(self._samples)
        self._accounts = {name: Account.read(terms) for name, terms in self.store.accounts().items()}

    def _join(self, draft: Draft, taken: Taken, cost: Estimate) -> None:
        """Until the next look, this gateway remembers what it has taken on."""
        waiting = list(self._line.waiting)
        insort(waiting, Waiting(-draft.priority, self._line.now + taken.slack_ms, self._line.now, draft.id, cost.ms))
        self._line = replace(self._line, waiting=waiting)

    def _refuse(self, draft: Draft, turned: Turned, promised: Promise, cost: Estimate) -> Draft:
        if self.store.known(draft) is not None:
            return draft
        self.store.turn_away(draft.tenant, turned.why)
        if turned.why is Rejection.TOO_LONG:
            raise BadField(
                "seconds",
                f"This film takes about {cost.ms // 1000} s here, and your class of service ({promised.service}) "
                f"promises it within {promised.video_ms // 1000} s. Ask for fewer seconds or a smaller size.",
            )
        if turned.why is Rejection.NO_COMPLIANT_REGION:
            raise Limited("Nothing inside this cell's borders has capacity now. Come back later.", NO_HANDS_WAIT)
        raise Limited(
            f"The cell is so busy that this film would not keep its promise ({promised.service}). Come back later.",
            max(1, -(-turned.retry_ms // 1000)),
        )

    def _with_terms(
        self, draft: Draft, caller: Caller, facts: ClipFacts, promised: Promise, work: int, cost: Estimate, found: Taken
    ) -> Draft:
        account = self._accounts.get(subject(caller.tenant), Account())
        priced = self._price(facts, account.currency or self.offer.currency)
        terms = Terms(
            service=promised.service,
            percentile=promised.percentile,
            wait_ms=promised.queue_wait_ms,
            video_ms=promised.video_ms,
            eta_ms=found.eta_ms,
            mode=facts.mode,
            resolution=facts.resolution,
            output_ms=facts.output_ms,
            input_ms=facts.input_ms,
            work=work,
            currency=priced.total.currency,
            price=priced.total.amount,
            book=priced.book,
            version=priced.version,
            promotion=priced.promotion,
            keep_ms=self.offer.keep_ms if account.keep_hours is None else account.keep_hours * HOUR_MS,
        )
        return replace(
            draft,
            estimated_ms=cost.ms,
            due_within_ms=found.slack_ms,
            terms=terms.write(),
            key=caller.key,
            reserve=terms.price,  # without a cap too, so that a cap that comes later counts what was spent before it
            quotas=quotas_of(self._accounts, caller.tenant, caller.key),
        )


def _facts(wish: Wish, input_ms: int) -> ClipFacts:
    """The clip as it is priced: an edit lasts as long as its source, everything else as long as was asked."""
    size, asked = _size(wish), (wish.seconds or 1) * 1000
    mode = Priced(wish.mode.value)
    output = min(input_ms, asked) if mode is Priced.EDIT and input_ms else asked
    try:
        tier = resolution_of(size.width, size.height)
    except PolicyError as error:
        raise BadField("size", str(error)) from None
    return ClipFacts(mode=mode, resolution=tier, output_ms=output, input_ms=input_ms)


def _size(wish: Wish) -> Size:
    if wish.size is None:
        raise Broken("A wish without a size was to be admitted.")
    return wish.size


def _references(wish: Wish) -> int:
    return sum(given.role is Role.REFERENCE for given in wish.given)
