"""What the meter and admission ask, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from serving.jobs.accounts import DataKey, Delivered, Erasure, InHand, InLine, TurnedAway, WindowKept
from serving.jobs.job import Job, State, TenantId, claim_order
from serving.jobs.memory.counter import left_ms
from serving.jobs.memory.tables import Tables
from serving.jobs.records import Usage

HOUR_MS: Final = 3_600_000
_FORGOTTEN: Final = {"order": "{}", "result": None, "webhook": None, "error_text": None, "fingerprint": ""}


class MemoryAccounts:
    """The accounts' part of a store; `serving.jobs.accounts.Accounts` tells what each call promises."""

    _t: Tables

    def line(self, most: int) -> tuple[Sequence[InHand], Sequence[InLine]]:
        with self._t.lock:
            now, jobs = self._t.clock(), self._t.jobs.values()
            hands = tuple(_in_hand(j, now) for j in jobs if j.state is State.RUNNING)
            waiting = sorted((j for j in jobs if j.state is State.QUEUED), key=claim_order)[:most]
            return hands, tuple(map(_in_line, waiting))

    def newest_usage(self, most: int) -> Sequence[Usage]:
        with self._t.lock:
            return sorted(self._t.usage.values(), key=lambda u: (u.at, u.job), reverse=True)[:most]

    def usage_of(self, tenant: TenantId, since: int, until: int) -> Sequence[Usage]:
        with self._t.lock:
            found = [u for u in self._t.usage.values() if u.tenant == tenant and since <= u.at < until]
            return sorted(found, key=lambda u: (u.at, u.job))

    def delivered_between(self, since: int, until: int) -> Sequence[Delivered]:
        with self._t.lock:
            ends = [e for e in self._t.events if e.state is State.SUCCEEDED and since <= e.at < until]
            return [Delivered(job=e.job, tenant=self._t.jobs[e.job].tenant, at=e.at) for e in ends]

    def accounts(self) -> Mapping[str, str]:
        with self._t.lock:
            return dict(sorted(self._t.accounts.items()))

    def set_account(self, subject: str, terms: str | None) -> None:
        with self._t.lock:
            if terms is None:
                self._t.accounts.pop(subject, None)
            else:
                self._t.accounts[subject] = terms

    def turn_away(self, tenant: TenantId, reason: str) -> None:
        with self._t.lock:
            self._t.turned_away[tenant, self._t.clock() // HOUR_MS, reason] += 1

    def turned_away(self, since: int, until: int) -> Sequence[TurnedAway]:
        with self._t.lock:
            found = sorted(self._t.turned_away.items())
        rows = [TurnedAway(tenant=t, hour=h, reason=r, number=n) for (t, h, r), n in found]
        return [row for row in rows if since <= row.hour < until]

    def made_between(self, tenant: TenantId, since: int, until: int) -> Sequence[Job]:
        with self._t.lock:
            found = [j for j in self._t.jobs.values() if j.tenant == tenant and since <= j.created < until]
            return sorted(found, key=lambda j: (j.created, j.id))

    def keep_window(self, tenant: TenantId, hour: int, line: str) -> None:
        with self._t.lock:
            window = WindowKept(tenant=tenant, hour=hour, line=line, logged=None)
            self._t.windows.setdefault((tenant, hour), window)

    def windows(self, since: int, until: int) -> Sequence[WindowKept]:
        with self._t.lock:
            return [w for (_, hour), w in sorted(self._t.windows.items()) if since <= hour < until]

    def window_logged(self, tenant: TenantId, hour: int) -> None:
        with self._t.lock:
            self._t.windows[tenant, hour] = replace(self._t.windows[tenant, hour], logged=self._t.clock())

    def ask_erasure(self, id: str, tenant: TenantId) -> None:  # noqa: A002 - what it is everywhere
        with self._t.lock:
            asked = Erasure(id=id, tenant=tenant, asked=self._t.clock(), done=None, proof=None)
            self._t.erasures.setdefault(id, asked)

    def erasures(self) -> Sequence[Erasure]:
        with self._t.lock:
            return sorted(self._t.erasures.values(), key=lambda e: (e.asked, e.id))

    def erase(self, tenant: TenantId) -> int | None:
        with self._t.lock:
            mine = [j for j in self._t.jobs.values() if j.tenant == tenant]
            for job in mine:
                self._end(job)
            ended = [self._t.jobs[j.id] for j in mine if self._t.jobs[j.id].terminal]
            left = [j for j in ended if j.state is not State.EXPIRED or j.order != "{}" or j.fingerprint]
            for job in left:
                self._forget(job)
            for posted in self._t.outbox.values():
                if posted.parcel.tenant == tenant:
                    posted.parcel, posted.delivered = replace(posted.parcel, address=""), True
            for stored in self._t.artefacts.values():
                if stored.artefact.tenant == tenant:
                    due = min(stored.artefact.expires, self._t.clock())
                    stored.artefact = replace(stored.artefact, expires=due)
            return None if len(ended) < len(mine) else len(left)

    def _end(self, job: Job) -> None:
        gone = {"cancel_requested": True, "deleted": job.deleted or self._t.clock()}
        if job.state is State.QUEUED:
            self._t.move(job, State.CANCELLED, **gone)
        elif job.state is State.RUNNING:
            self._t.change(job, **gone)

    def _forget(self, job: Job) -> None:
        gone = {**_FORGOTTEN, "deleted": job.deleted or self._t.clock()}
        self._t.keys = {key: i for key, i in self._t.keys.items() if i != job.id}
        if job.state is State.EXPIRED:
            self._t.change(job, **gone)
        else:
            self._t.move(job, State.EXPIRED, **gone)

    def erased(self, id: str, proof: str) -> None:  # noqa: A002
        with self._t.lock:
            found = self._t.erasures[id]
            self._t.counted = {name: row for name, row in self._t.counted.items() if row[0].tenant != found.tenant}
            if found.done is None:
                self._t.erasures[id] = replace(found, done=self._t.clock(), proof=proof)

    def data_key(self, tenant: TenantId, id: str | None = None) -> DataKey | None:  # noqa: A002
        with self._t.lock:
            found = self._t.data_keys.get(tenant)
            return None if found is None or id not in (None, found.id) else found

    def keep_data_key(self, made: DataKey) -> DataKey:
        with self._t.lock:
            if made.tenant not in self._t.data_keys:
                self._t.data_keys[made.tenant] = made
                self._t.key_ids.setdefault(made.tenant, []).append(made.id)
            return self._t.data_keys[made.tenant]

    def destroy_data_keys(self, tenant: TenantId) -> Sequence[str]:
        with self._t.lock:
            self._t.data_keys.pop(tenant, None)
            return tuple(self._t.key_ids.get(tenant, ()))

    def has_data_keys(self) -> bool:
        with self._t.lock:
            return bool(self._t.data_keys)


def _in_hand(job: Job, now: int) -> InHand:
    worked = now - (job.started if job.started is not None else now)
    return InHand(id=job.id, left_ms=left_ms(job), estimated_ms=job.estimated_ms, worked_ms=worked)


def _in_line(job: Job) -> InLine:
    due = job.deadline if job.due is None else job.due
    return InLine(id=job.id, priority=job.priority, due=due, created=job.created, left_ms=job.estimated_ms)
