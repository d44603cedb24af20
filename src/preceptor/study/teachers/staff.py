"""The teachers of a run: each opened when something is first asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Self

from preceptor.llm import open_teacher
from preceptor.llm.chat import Teacher
from preceptor.study.plan import Plan
from preceptor.study.predictor import Predictor, load_predictor


class Staff:
    """Opens teachers and closes them; those that are tuned are loaded one at a time.

    Args:
        plan: the study.
        keep_books: whether what is paid counts into the run folder's limits.
        opened: teachers that are open already, by name; whoever opened them closes them.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        keep_books: bool = True,
        opened: Mapping[str, Teacher] | None = None,
    ) -> None:
        self._plan, self._keep_books = plan, keep_books
        self._opened = dict(opened or {})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def asked(self, name: str) -> Teacher:
        """A teacher that is taken as it comes; it stays open for further arms."""
        if name not in self._opened:
            self._opened[name] = self._stack.enter_context(self._open(name))
        return self._opened[name]

    def _open(self, name: str, **tuned: object) -> Teacher:
        plan = self._plan
        ledger = plan.ledger_of(name) if self._keep_books else None
        settings = plan.study.teachers[name]
        return open_teacher(settings, base_dir=plan.base_dir, name=name, ledger=ledger, **tuned)  # type: ignore[arg-type]

    @contextmanager
    def writing(self, arm: str, draw_seed: int) -> Iterator[Teacher]:
        """The teacher that writes an arm's examples."""
        name = self._plan.study.teacher_of(self._plan.study.teaching()[arm])
        tuning = self._plan.tunings.of_arm(arm, draw_seed)
        if tuning is None:
            yield self.asked(name)
            return
        folder = self._plan.tunings.folder(tuning) / "model"
        with self._open(name, folder=folder) as teacher:
            yield teacher

    @contextmanager
    def answering(self, name: str, draw_seed: int) -> Iterator[Predictor]:
        """A tuned teacher that labels or answers, in this process.

        Raises:
            WeightsError: its base is gone or not the one that it was tuned from.
        """
        from preceptor.tune.memory import release

        tuning = self._plan.tunings.answering(name, draw_seed)
        if tuning is None:
            raise TypeError(f"the teacher {name} is not tuned")
        release()
        yield load_predictor(self._plan.tunings.folder(tuning) / "model")
        release()
