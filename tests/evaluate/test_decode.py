"""Generation: batched as alone, free of the checkpoint's defaults, the paper's way exactly."""

from typing import Any

import pytest
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedTokenizerFast,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
)

from fixtures_models import DECODERS, tiny_decoder, tiny_tokenizer
from preceptor.evaluate.decode import answer, generate
from preceptor.evaluate.settings import Decoding
from preceptor.models.tokens import encode_prompt
from preceptor.tune.batches import text_row
from preceptor.tune.fit import fit
from preceptor.tune.methods import full
from preceptor.tune.methods.lora import LoraSettings, attach
from preceptor.tune.settings import Budget, FitSettings

PROMPTS = [
    "Is the moon made of cheese?\nAnswer:",
    "Will it rain tomorrow in the valley, as it did on the mountain today?\nAnswer:",
    "Does water boil?\nAnswer: ",
]
BOTH: list[Decoding] = ["default", "drllama"]


def write(
    model: Any, prompts: list[str], decoding: Decoding = "default", tokenizer: Any = None
) -> list[str]:
    return generate(
        model,
        tokenizer or tiny_tokenizer(),
        prompts,
        decoding,
        max_new_tokens=6,
        batch_tokens=2000,
        label="answers",
    )


def end_pads() -> Any:
    core = tiny_tokenizer().backend_tokenizer
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>", pad_token="</s>")


@pytest.mark.parametrize("decoding", BOTH)
@pytest.mark.parametrize("name", DECODERS)
def test_a_batch_writes_what_its_prompts_get_alone(name: str, decoding: Decoding) -> None:
    model = tiny_decoder(name)
    together = write(model, PROMPTS, decoding)
    assert together == [write(model, [prompt], decoding)[0] for prompt in PROMPTS]
    assert len(set(together)) > 1


@pytest.fixture(scope="module")
def ending() -> Any:
    """A model that has learnt to answer these prompts and to end."""
    model = full.attach(tiny_decoder(), full.FullSettings())
    answers = [" no", " maybe", "yes"]
    rows = [
        text_row(end_pads(), prompt, answer, "answer")
        for prompt, answer in zip(PROMPTS, answers, strict=True)
    ]
    options: Any = {"learning_rate": 5e-3, "seed": 0, "label": "fit", "pad_id": 2}
    fit(model, rows, Budget(steps=40), FitSettings(), **options)
    return model


@pytest.mark.parametrize("decoding", BOTH)
def test_answers_end_where_the_model_ends_them(ending: Any, decoding: Decoding) -> None:
    written = write(ending, PROMPTS, decoding, end_pads())
    assert written == [write(ending, [prompt], decoding, end_pads())[0] for prompt in PROMPTS]
    assert written[0] == " no"
    if decoding == "default":
        assert written == [" no", " maybe", " yes"]


@pytest.mark.parametrize("decoding", BOTH)
def test_whether_an_answer_ended_is_known(ending: Any, decoding: Decoding) -> None:
    for most, ended in ((6, True), (1, False)):
        options: Any = {"max_new_tokens": most, "batch_tokens": 2000, "label": "answers"}
        found = answer(ending, end_pads(), PROMPTS[:1], decoding, **options)
        assert [one.ended for one in found] == [ended]


def test_the_papers_processors_exactly() -> None:
    model, tokenizer = tiny_decoder(), tiny_tokenizer()
    tokens = torch.tensor([encode_prompt(tokenizer, PROMPTS[0])])
    config = GenerationConfig(num_beams=5, max_new_tokens=6, eos_token_id=2, pad_token_id=0)
    processors = LogitsProcessorList(
        [RepetitionPenaltyLogitsProcessor(2.0), TemperatureLogitsWarper(0.8)]
    )
    plain = model.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        generation_config=config,
        logits_processor=processors,
    )
    text = tokenizer.decode(plain[0, tokens.shape[1] :], skip_special_tokens=True)
    assert write(model, PROMPTS[:1], "drllama") == [text]
    assert write(model, PROMPTS[:1]) != [text]


def test_default_is_the_likeliest_token_every_time() -> None:
    model, tokenizer = tiny_decoder(), tiny_tokenizer()
    tokens = encode_prompt(tokenizer, PROMPTS[0])
    start = len(tokens)
    for _ in range(6):
        tokens.append(int(model(torch.tensor([tokens])).logits[0, -1].argmax()))
    assert write(model, PROMPTS[:1]) == [tokenizer.decode(tokens[start:], skip_special_tokens=True)]


@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("decoding", BOTH)
def test_the_checkpoints_defaults_do_not_leak_in(decoding: Decoding, adapted: bool) -> None:
    model = tiny_decoder()
    if adapted:
        model = attach(model, LoraSettings()).eval()
    base = model.get_base_model() if adapted else model
    base.generation_config = GenerationConfig()
    expected = write(model, PROMPTS, decoding)
    leaky = GenerationConfig(
        do_sample=True, temperature=5.0, top_k=3, repetition_penalty=9.0, no_repeat_ngram_size=1,
        suppress_tokens=list(range(3, 300)), length_penalty=5.0,
    )  # fmt: skip
    base.generation_config = leaky
    assert write(model, PROMPTS, decoding) == expected
    assert base.generation_config is leaky


@pytest.mark.parametrize("decoding", BOTH)
def test_smollm2_batched_as_alone(smollm2: tuple[Any, Any], decoding: Decoding) -> None:
    # Its end token pads, so this also holds that the paper's penalty spares padding.
    model, tokenizer = smollm2
    together = write(model, PROMPTS, decoding, tokenizer)
    assert together == [write(model, [prompt], decoding, tokenizer)[0] for prompt in PROMPTS]
