"""Class probabilities of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from preceptor.models.batching import by_length, pad
from preceptor.models.tokens import encode_text
from preceptor.progress import bar

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def class_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    batch_tokens: int,
    label: str,
) -> np.ndarray:
    """Probability of every label for every text.

    Args:
        model: a classifier in eval mode.
        tokenizer: its tokenizer.
        texts: what it reads.
        batch_tokens: tokens of a batch, padding included.
        label: the progress bar's name.

    Returns:
        [texts, labels], every row adding up to 1, labels in the order of ``config.id2label``.
    """
    import numpy as np
    import torch

    rows = [encode_text(tokenizer, text) for text in texts]
    result = np.zeros((len(rows), model.config.num_labels))
    device = next(model.parameters()).device
    with bar(label, len(rows)) as advance:
        for batch in by_length([len(row) for row in rows], batch_tokens):
            tokens, mask = pad([rows[index] for index in batch], tokenizer.pad_token_id)
            with torch.no_grad():
                logits = model(tokens.to(device), attention_mask=mask.to(device)).logits
            result[batch] = logits.double().softmax(-1).cpu().numpy()
            advance(len(batch))
    return result
