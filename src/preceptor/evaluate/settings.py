"""How a student's answers are drawn from it."""

from __future__ import annotations

from typing import Literal

Decoding = Literal["default", "drllama"]
"""`default`: greedy, no penalty. `drllama`: beams of 5, repetition penalty 2.0 over prompt and
answer, temperature 0.8 on the beam scores (Dr. LLaMA, section 4.1 and the authors' notebook). A
seq2seq student's prompt stands in its encoder, so the penalty covers its answer alone."""
