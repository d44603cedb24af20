"""What a teacher does: one file per operation. Requests out, candidates or rejections back.

Every operation that writes has a ``Settings`` class, whose ``keys`` are what an answer must hold;
``calls(settings, task, human, seed, base_dir, structured)``, an endless iterator of what to ask;
and ``read(settings, task, call, text, id, teacher)``, which makes an example or a rejection of an
answer (:mod:`preceptor.augment.reading`). One to which a teacher can be tuned has
``lessons(settings, task, human, seed, base_dir)`` too. :mod:`preceptor.augment.annotate` writes
nothing and has a form of its own. Nothing here calls a teacher or touches a run. Adding an
operation is one new file and one line in ``OPERATIONS``.
"""

from __future__ import annotations

from types import ModuleType

from preceptor.augment import create, rewrite

OPERATIONS: dict[str, ModuleType] = {"rewrite": rewrite, "create": create}
AnyOperation = rewrite.RewriteSettings | create.CreateSettings
