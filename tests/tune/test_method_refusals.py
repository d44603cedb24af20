"""A method or a setting that cannot work says so before any work, and what would."""

from typing import Any

import pytest
from pydantic import ValidationError

from fixtures_models import tiny_decoder, tiny_encoder, tiny_seq2seq, tiny_tokenizer
from preceptor.errors import SpecError
from preceptor.tune.methods import METHODS
from preceptor.tune.methods.boft import BoftSettings
from preceptor.tune.methods.lora import LoraSettings
from preceptor.tune.methods.prefix import PrefixSettings
from preceptor.tune.methods.targets import check_kind
from preceptor.tune.methods.unfreeze import UnfreezeSettings

TEXT = "Water boils on a mountain."


def attach(model: Any, settings: Any) -> Any:
    return METHODS[settings.name].attach(model, settings, tiny_tokenizer())


REFUSED = [
    (LoraSettings(targets=("q_prj",), last_blocks=1), "did you mean 'q_proj'?"),
    (LoraSettings(targets=("lm_head",), last_blocks=1), "no linear layer named 'lm_head'"),
    (LoraSettings(last_blocks=3), "expected: 1 to 2"),
    (UnfreezeSettings(last_blocks=3), "expected: 1 to 2"),
    (UnfreezeSettings(head="tied"), "set method.head to untied"),
    (BoftSettings(targets=("v_prj",)), "did you mean 'v_proj'?"),
    (BoftSettings(last_blocks=3), "expected: 1 to 2"),
    (BoftSettings(block_size=5), "divisible by boft_block_size (5)"),
    (BoftSettings(butterfly_factor=2), "2 was asked for and PEFT built 1"),
    (BoftSettings(dropout=0.1), "0.1 of 8 groups"),
    (PrefixSettings(virtual_tokens=128), "less than 128"),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED)
def test_a_setting_that_cannot_work_is_refused(settings: Any, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        attach(tiny_decoder(), settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (PrefixSettings(), "cannot tune a student of kind 'encoder'"),
        (UnfreezeSettings(head="tied"), "cannot be tied"),
        (UnfreezeSettings(head="frozen"), "cannot be frozen"),
        (BoftSettings(), "did you mean 'query'?"),
    ],
)
def test_a_method_that_does_not_fit_a_classifier_is_refused(settings: Any, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        attach(tiny_encoder(), settings)
    assert message in str(caught.value)


SEQ2SEQ_REFUSED = [
    (PrefixSettings(), "cannot tune a student of kind 'seq2seq'"),
    (UnfreezeSettings(), "cannot tune a student of kind 'seq2seq'"),
    (LoraSettings(last_blocks=1), "two stacks of blocks"),
]


@pytest.mark.parametrize(("settings", "message"), SEQ2SEQ_REFUSED)
def test_a_method_that_does_not_fit_an_encoder_decoder_is_refused(
    settings: Any, message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        attach(tiny_seq2seq(), settings)


def test_a_pair_of_encoders_is_refused_an_adapter() -> None:
    from transformers import EncoderDecoderModel

    decoder = tiny_encoder("BertLMHeadModel", is_decoder=True, add_cross_attention=True)
    pair = EncoderDecoderModel(encoder=tiny_encoder("BertModel"), decoder=decoder)
    with pytest.raises(SpecError, match="use method full"):
        attach(pair, LoraSettings())


def test_a_method_that_does_not_fit_the_family_is_refused() -> None:
    with pytest.raises(SpecError, match="Conv1D"):
        attach(tiny_decoder("GPT2LMHeadModel"), BoftSettings(targets=("c_attn",)))


def test_a_family_that_does_not_read_a_prefix_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import LlamaModel

    whole = LlamaModel.forward

    def deaf(self: Any, *args: Any, **more: Any) -> Any:
        mask = more["attention_mask"][:, -more["input_ids"].shape[1] :]
        return whole(self, *args, **{**more, "past_key_values": None, "attention_mask": mask})

    monkeypatch.setattr(LlamaModel, "forward", deaf)
    with pytest.raises(SpecError, match="the same with and without"):
        attach(tiny_decoder(), PrefixSettings())


def test_whether_a_method_fits_is_known_without_a_model() -> None:
    check_kind("prefix", METHODS["prefix"].KINDS, "decoder")
    with pytest.raises(SpecError, match="a student of kind decoder"):
        check_kind("prefix", METHODS["prefix"].KINDS, "encoder")


def test_a_text_without_its_tokenizer_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError, match="tokenizer"):
        METHODS["prefix"].attach(tiny_decoder(), PrefixSettings(initialise="text", text=TEXT))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"initialise": "text"}, "needs a text"),
        ({"initialise": "text", "text": "  "}, "needs a text"),
        ({"text": TEXT}, "with initialise: text alone"),
        ({"initialise": "text", "text": TEXT, "projection": True}, "cannot start from a text"),
    ],
)
def test_starts_of_a_prefix_that_contradict_each_other(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        PrefixSettings(**settings)
