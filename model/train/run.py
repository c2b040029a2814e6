"""One training run: the same steps in the same order, however often it is stopped and started again.

Everything a step needs is a function of (seed, step): its batch, its learning rate, its chance. What cannot be
recomputed (parameters, optimiser moments, the running average) is kept in a safetensors file that is written beside
the old one and renamed, so that a kill at any moment costs at most the steps since the last file. Matrices learn by
Muon, all else by AdamW.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from model.errors import Broken, Refused

Step = Callable[[int, np.random.Generator], dict[str, float]]  # adds its gradients, and tells what it saw
EVERY: Final = 50  # steps between two lines of the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how fast to learn."""

    steps: int
    rate: float  # AdamW's peak learning rate
    muon: float  # Muon's peak learning rate
    table: float = 0.0  # AdamW's peak learning rate for embeddings, each of which is met only now and then
    warmup: int = 100  # steps from zero to the peak
    decay: float = 0.25  # last share of the steps, in which the rate falls to zero
    average: float = 0.998  # of the old value, in the running average of the parameters
    seed: int = 0
    keep: float = 60.0  # seconds between two files

    def rate_at(self, step: int) -> float:
        """Share of the peak rate at a step: up, level, down to zero."""
        left = (self.steps - step) / max(1.0, self.decay * self.steps)
        return max(0.0, min(1.0, (step + 1) / self.warmup, left))


class Run:
    """A network, its optimisers and its running average, in a folder."""

    def __init__(
        self, network: nn.Module, plan: Plan, folder: Path, by_adam: Iterable[str] = (), tables: Iterable[str] = ()
    ) -> None:
        """AdamW learns the matrices of `by_adam` too, and embeddings, `tables`, at a rate of their own."""
        self.network, self.plan, self.folder = network, plan, folder
        self.named = {k: p for k, p in network.named_parameters() if p.requires_grad}
        by_adam, tables = tuple(by_adam), tuple(tables)
        looked_up = {k: p for k, p in self.named.items() if k.startswith(tables)} if tables else {}
        maps = {k: p for k, p in self.named.items() if p.ndim == 2 and not k.startswith(by_adam + tables)}
        rest = {k: p for k, p in self.named.items() if k not in maps and k not in looked_up}
        adam = torch.optim.AdamW(list(rest.values()), lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.0)
        self.owner: dict[str, torch.optim.Optimizer] = dict.fromkeys(rest, adam)
        self.peaks: list[tuple[torch.optim.Optimizer, float]] = [(adam, plan.rate)]
        if looked_up:
            embedder = torch.optim.AdamW(list(looked_up.values()), lr=plan.table, betas=(0.9, 0.98), weight_decay=0.0)
            self.owner |= dict.fromkeys(looked_up, embedder)
            self.peaks.append((embedder, plan.table))
        if maps:
            muon = torch.optim.Muon(
                list(maps.values()), lr=plan.muon, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
            )
            self.owner |= dict.fromkeys(maps, muon)
            self.peaks.append((muon, plan.muon))
        self.mean = {k: p.detach().clone() for k, p in self.named.items()}
        self.step = 0
        self.gone = 0.0  # seconds of training so far, in all processes
        self.rows: dict[str, list[float]] = {}  # what was seen since the last line of the log
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def state_file(self) -> Path:
        return self.folder / "state.safetensors"

    @property
    def log_file(self) -> Path:
        return self.folder / "log.jsonl"

    def save(self) -> None:
        """Writes everything needed to go on from here."""
        tensors = {f"parameter/{k}": p.detach() for k, p in self.named.items()}
        tensors |= {f"mean/{k}": p for k, p in self.mean.items()}
        for k, p in self.named.items():
            for name, value in self.owner[k].state.get(p, {}).items():
                tensors[f"{name}/{k}"] = torch.as_tensor(value)
        about = {"step": str(self.step), "gone": str(self.gone), "seed": str(self.plan.seed)}
        about["rows"] = json.dumps(self.rows)
        new = self.state_file.with_suffix(".new")
        save_file({k: v.contiguous() for k, v in tensors.items()}, new, about)
        new.replace(self.state_file)

    def load(self) -> bool:
        """Goes on from the folder's file, if there is one."""
        if not self.state_file.exists():
            self._forget_lines()
            return False
        with safe_open(self.state_file, "pt") as file:
            about = file.metadata()
            if int(about["seed"]) != self.plan.seed:
                raise Refused(f"{self.folder} holds a run with seed {about['seed']}. Use that seed or another folder.")
            self.step, self.gone = int(about["step"]), float(about["gone"])
            self.rows = json.loads(about.get("rows", "{}"))
            for key in file.keys():  # noqa: SIM118  (not a dict)
                name, _, k = key.partition("/")
                value = file.get_tensor(key)
                if name == "parameter":
                    self.named[k].data.copy_(value)
                elif name == "mean":
                    self.mean[k].copy_(value)
                else:  # AdamW counts its steps on the CPU wherever the parameter is
                    place = value.device if name == "step" else self.named[k].device
                    self.owner[k].state[self.named[k]][name] = value.to(place)
        self._forget_lines()
        return True

    def _forget_lines(self) -> None:
        """Takes off the log what was written after the state was kept: those steps are made again."""
        if not self.log_file.exists():
            return
        kept = []
        for line in self.log_file.read_text("utf-8").splitlines():
            with suppress(ValueError):  # a line that a kill has cut
                if json.loads(line)["step"] <= self.step:
                    kept.append(f"{line}\n")
        new = self.log_file.with_suffix(".new")
        new.write_text("".join(kept), "utf-8")
        new.replace(self.log_file)

    def go(self, step: Step, report: Callable[[dict[str, float]], None], until: int | None = None) -> None:
        """Trains up to the plan's last step (or `until`), saving as it goes; `report` gets a row every 50 steps."""
        began = saved = time.monotonic()
        start = self.gone
        last = self.plan.steps if until is None else min(until, self.plan.steps)
        while self.step < last:
            share = self.plan.rate_at(self.step)
            for optimiser, peak in self.peaks:
                for group in optimiser.param_groups:
                    group["lr"] = peak * share
            self.network.train()
            row = step(self.step, np.random.default_rng([self.plan.seed, self.step]))
            norm = torch.nn.utils.clip_grad_norm_(self.named.values(), 1.0)
            if not torch.isfinite(norm):
                raise Broken(
                    f"Training diverged at step {self.step} of {self.folder.name}; the state kept last is good. "
                    "Lower the rate in its plan and run the same command."
                )
            for optimiser, _ in self.peaks:
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            keep = min(self.plan.average, (self.step + 1) / (self.step + 10))
            torch._foreach_lerp_(list(self.mean.values()), [p.detach() for p in self.named.values()], 1 - keep)
            self.step += 1
            for k, v in row.items():
                self.rows.setdefault(k, []).append(v)
            now = time.monotonic()
            self.gone = start + now - began
            if self.step % EVERY == 0 or self.step == self.plan.steps:
                means = {k: sum(v) / len(v) for k, v in self.rows.items()}
                line = {"step": float(self.step), "seconds": self.gone} | means
                with self.log_file.open("a", encoding="utf-8") as log:
                    log.write(json.dumps({k: round(v, 5) for k, v in line.items()}) + "\n")
                report(line)
                self.rows = {}
            if now - saved > self.plan.keep:
                self.save()
                saved = now
        self.save()

    def averaged(self) -> dict[str, Tensor]:
        """The running average of the parameters: what is shipped."""
        return {k: v.clone() for k, v in self.mean.items()}
