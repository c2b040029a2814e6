"""What the meter and admission ask, in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from serving.jobs.accounts import DataKey, Delivered, Erasure, InHand, InLine, TurnedAway, WindowKept
from serving.jobs.job import Job, TenantId
from serving.jobs.records import Usage
from serving.jobs.sql.database import Database, Run, one
from serving.jobs.sql.rows import jobs_of, usage_of


class SqlAccounts:
    """The accounts' part of a store; `serving.jobs.accounts.Accounts` tells what each call promises."""

    _db: Database

    def line(self, most: int) -> tuple[Sequence[InHand], Sequence[InLine]]:
        hands = tuple(InHand(**row) for row in self._db.read("in_hand"))
        return hands, tuple(InLine(**row) for row in self._db.read("in_line", most=most))

    def newest_usage(self, most: int) -> Sequence[Usage]:
        return tuple(usage_of(row) for row in self._db.read("newest_usage", most=most))

    def usage_of(self, tenant: TenantId, since: int, until: int) -> Sequence[Usage]:
        return tuple(usage_of(row) for row in self._db.read("usage_of", tenant=tenant, since=since, until=until))

    def delivered_between(self, since: int, until: int) -> Sequence[Delivered]:
        return tuple(Delivered(**row) for row in self._db.read("delivered_between", since=since, until=until))

    def accounts(self) -> Mapping[str, str]:
        return {row["subject"]: row["terms"] for row in self._db.read("accounts")}

    def set_account(self, subject: str, terms: str | None) -> None:
        name = "drop_account" if terms is None else "set_account"
        self._db.write(lambda run: run(name, subject=subject, terms=terms))

    def turn_away(self, tenant: TenantId, reason: str) -> None:
        self._db.write(lambda run: run("turn_away", tenant=tenant, reason=reason))

    def turned_away(self, since: int, until: int) -> Sequence[TurnedAway]:
        return tuple(TurnedAway(**row) for row in self._db.read("turned_away", since=since, until=until))

    def made_between(self, tenant: TenantId, since: int, until: int) -> Sequence[Job]:
        return jobs_of(self._db.read("made_between", tenant=tenant, since=since, until=until))

    def keep_window(self, tenant: TenantId, hour: int, line: str) -> None:
        self._db.write(lambda run: run("keep_window", tenant=tenant, hour=hour, line=line))

    def windows(self, since: int, until: int) -> Sequence[WindowKept]:
        return tuple(WindowKept(**row) for row in self._db.read("windows", since=since, until=until))

    def window_logged(self, tenant: TenantId, hour: int) -> None:
        self._db.write(lambda run: run("window_logged", tenant=tenant, hour=hour))

    def ask_erasure(self, id: str, tenant: TenantId) -> None:  # noqa: A002 - what it is everywhere
        self._db.write(lambda run: run("ask_erasure", id=id, tenant=tenant))

    def erasures(self) -> Sequence[Erasure]:
        return tuple(Erasure(**row) for row in self._db.read("erasures"))

    def erase(self, tenant: TenantId) -> int | None:
        def work(run: Run) -> int | None:
            run("erase_open", tenant=tenant)
            gone = run("erase_jobs", tenant=tenant)
            run("erase_outbox", tenant=tenant)
            run("erase_artefacts", tenant=tenant)
            return None if run("still_open", tenant=tenant)[0]["number"] else len(gone)

        return self._db.write(work)

    def erased(self, id: str, proof: str) -> None:  # noqa: A002
        self._db.write(lambda run: (run("erase_held", id=id), run("erased", id=id, proof=proof)))

    def data_key(self, tenant: TenantId, id: str | None = None) -> DataKey | None:  # noqa: A002
        row = one(self._db.read("data_key", tenant=tenant))
        return None if row is None or id not in (None, row["id"]) else DataKey(**row)

    def keep_data_key(self, made: DataKey) -> DataKey:
        def work(run: Run) -> DataKey:
            run("keep_data_key", id=made.id, tenant=made.tenant, wrapped=made.wrapped)
            return DataKey(**run("data_key", tenant=made.tenant)[0])

        return self._db.write(work)

    def destroy_data_keys(self, tenant: TenantId) -> Sequence[str]:
        gone = self._db.write(lambda run: (run("destroy_data_key", tenant=tenant), run("data_keys", tenant=tenant))[1])
        self._db.forget()
        return tuple(row["id"] for row in gone)

    def has_data_keys(self) -> bool:
        return bool(self._db.read("live_data_keys"))
