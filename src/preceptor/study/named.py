"""``--data READER:PATH``, as commands take it."""

from __future__ import annotations

from preceptor.errors import PreceptorError


def path_of(data: str, reader: str, what: str) -> str:
    """The path in ``READER:PATH``.

    Args:
        data: as it was given.
        reader: the reader that the command knows.
        what: what lies there, for the error.

    Raises:
        PreceptorError: it names another reader, or no path.
    """
    found, _, path = data.partition(":")
    if found != reader or not path:
        raise PreceptorError(
            "--data must name a reader and a path",
            found=data or "nothing",
            expected=f"{reader}:PATH, {what}",
        )
    return path
