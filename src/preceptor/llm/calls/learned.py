"""What a server refuses of a study's parameters: learned once, remembered for later runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from preceptor.errors import PreceptorError
from preceptor.llm.calls import refusals
from preceptor.llm.calls.replies import server_message
from preceptor.store.atomic import write_json

FILE = "refused-parameters.json"
_SHOWN = 200
"""characters of the server's words that are kept"""
_Refusal = dict[str, str | None]


def form(name: str, value: object) -> str:
    """The parameter as a server may refuse it: "response_format.json_schema" and no other type."""
    kind = value.get("type") if isinstance(value, Mapping) else None
    return f"{name}.{kind}" if isinstance(kind, str) else name


class Learned:
    """Parameters that a server does not take, and the names it wants instead.

    They are sent so from then on, by this process and by later ones. Answers are kept under the
    parameters that the study asked for; :meth:`notes` is what its result must say of that.

    Args:
        path: a JSON file that all studies and processes share; made at first use.
        base_url: the server's address.
        model: what one model of a server refuses, another may take.
        needed: parameters that may be sent under another name, but never left out.
    """

    def __init__(self, path: Path, base_url: str, model: str, needed: Collection[str] = ()) -> None:
        self._path = path
        self._needed = needed
        self._server = f"{base_url} {model}"
        self._refused: dict[str, _Refusal] = {}
        self._told: set[str] = set()

    def load(self) -> None:
        """Read what this and other processes have learned.

        Raises:
            PreceptorError: the file is damaged or cannot be read.
        """
        self._refused = {**self._read().get(self._server, {}), **self._refused}

    def sent(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as the server takes them; what is changed is told to the user, once."""
        if not self._refused:
            return dict(parameters)
        sent: dict[str, Any] = {}
        for name, value in parameters.items():
            known = self._refused.get(form(name, value))
            instead = name if known is None else known["instead"]
            if instead is not None or name in self._needed:
                sent[instead or name] = value
        self._tell(self.notes(form(*one) for one in parameters.items()))
        return sent

    def learn(self, body: object, sent: Mapping[str, Any]) -> bool:
        """Learn from a refusal; whether it was of a parameter that can be done without.

        Args:
            body: of a reply with status 400 or 422, parsed where it was JSON.
            sent: the parameters of the call.

        Raises:
            PreceptorError: the file is damaged or cannot be written.
        """
        name = refusals.named(body, sent)
        if name is None or not refusals.is_unsupported(body, name):
            return False
        asked = next((old for old, one in self._refused.items() if one["instead"] == name), None)
        # Of a name that stands for another one, no third is tried.
        instead = refusals.instead_of(name, body, sent) if asked is None else None
        if instead is None and name in self._needed:
            return False
        said = server_message(body)[:_SHOWN]
        self._refused[asked or form(name, sent[name])] = {"instead": instead, "server_said": said}
        self._write()
        return True

    def notes(self, asked: Iterable[str]) -> tuple[str, ...]:
        """What a result must say, a sentence for each of these parameters that was refused.

        Args:
            asked: from :func:`form`.
        """
        return tuple(
            self._note(name, self._refused[name]) for name in asked if name in self._refused
        )

    def _note(self, name: str, refusal: _Refusal) -> str:
        instead = refusal["instead"]
        done = f"it was sent as {instead}" if instead else "it was not sent"
        return (
            f"{self._server} refuses the parameter {name}, so {done} (the server said:"
            f" {refusal['server_said']}; remembered in {self._path})"
        )

    def _tell(self, notes: Iterable[str]) -> None:
        for note in notes:
            if note not in self._told:
                self._told.add(note)
                print(note, file=sys.stderr)

    def _read(self) -> dict[str, dict[str, _Refusal]]:
        try:
            told = json.loads(self._path.read_text("utf-8"))
            return {
                server: {
                    name: {"instead": one["instead"], "server_said": one["server_said"]}
                    for name, one in refused.items()
                }
                for server, refused in told.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise self._unusable(error) from error

    def _write(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(self._path.with_name(f"{FILE}.lock")):
                told = self._read()
                told[self._server] = {**told.get(self._server, {}), **self._refused}
                write_json(self._path, told)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> PreceptorError:
        return PreceptorError(
            "the file of refused parameters cannot be read or written",
            where=str(self._path),
            found=str(error),
            fix="make its folder writable, or remove the file: it is made anew as servers refuse",
        )
