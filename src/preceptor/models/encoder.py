"""Encoders: students that read a text and choose a label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from preceptor.errors import WeightsError
from preceptor.models.kinds import wrong_kind
from preceptor.models.loading import Dtype, load_config, load_model, load_tokenizer
from preceptor.models.seeding import seeded
from preceptor.models.weights import Weights

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def load_encoder(
    weights: Weights, labels: Sequence[str], seed: int = 0, dtype: Dtype = "float32"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load an encoder with a classification head over ``labels``, and its tokenizer.

    Args:
        weights: where from. A head that they hold is kept only if it has these very labels.
        labels: the labels; their order is the order of the logits.
        seed: draws a new head's weights.
        dtype: what the weights are held in.

    Returns:
        The model, in eval mode, and its tokenizer, which has a pad token.

    Raises:
        WeightsError: the weights cannot be loaded, or are no encoder's.
    """
    from transformers import AutoModelForSequenceClassification as Auto

    config = load_config(weights, "encoder")
    _check_family(config, weights)
    same_labels = list(config.id2label.values()) == list(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    # Else a head of one label would be taken for a regression.
    config.problem_type = "single_label_classification"
    options = {"config": config, "ignore_mismatched_sizes": not same_labels}
    with seeded(seed):
        model, missing = load_model(Auto, weights, dtype, **options)
        _check_body(model, missing, weights)
        if not same_labels:
            _new_output(model, len(labels))
    tokenizer = load_tokenizer(weights)
    model.config.pad_token_id = tokenizer.pad_token_id
    return model.eval(), tokenizer


def _check_family(config: PreTrainedConfig, weights: Weights) -> None:
    from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification

    for auto in (AutoModelForMaskedLM, AutoModelForSequenceClassification):
        if type(config) not in auto._model_mapping:
            raise wrong_kind(weights.ref, config.model_type, "encoder")


def _new_output(model: PreTrainedModel, labels: int) -> None:
    # A checkpoint's output layer for as many labels that mean something else must not stay.
    import torch

    head = (child for name, child in model.named_children() if name != model.base_model_prefix)
    layers = [layer for child in head for layer in child.modules()]
    for layer in layers:
        if isinstance(layer, torch.nn.Linear) and layer.out_features == labels:
            layer.weight.data.normal_(0.0, model.config.initializer_range)
            if layer.bias is not None:
                layer.bias.data.zero_()


def _check_body(model: PreTrainedModel, missing: set[str], weights: Weights) -> None:
    # A pooler belongs to the head: encoders trained on masked words alone come without one.
    body = [name for name in missing if name.startswith(f"{model.base_model_prefix}.")]
    lost = sorted(name for name in body if ".pooler." not in name)
    if lost:
        raise WeightsError(
            "these weights are no whole encoder",
            where=weights.ref,
            found=f"nothing for {', '.join(lost[:3])}",
        )
