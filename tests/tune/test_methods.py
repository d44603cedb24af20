"""Every method on every family: what it trains, what it saves, what it refuses."""

from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from fixtures_models import (
    DECODERS,
    NO_DROPOUT,
    SEQ2SEQ,
    saved,
    tiny_decoder,
    tiny_encoder,
    tiny_seq2seq,
    tiny_tokenizer,
)
from preceptor.evaluate.decode import generate
from preceptor.evaluate.likelihood import label_scores
from preceptor.models.anatomy import is_tied
from preceptor.models.decoder import load_decoder
from preceptor.models.encoder import load_encoder
from preceptor.models.parameters import count_parameters
from preceptor.models.save import load_saved, save
from preceptor.models.seeding import seeded
from preceptor.models.seq2seq import load_seq2seq
from preceptor.models.tokens import encode_answers
from preceptor.models.weights import Weights, resolve
from preceptor.tune.batches import LabelRow, text_row
from preceptor.tune.fit import fit
from preceptor.tune.methods import METHODS, MethodSettings
from preceptor.tune.methods.boft import BoftSettings
from preceptor.tune.methods.full import FullSettings
from preceptor.tune.methods.lora import LoraSettings
from preceptor.tune.methods.prefix import PrefixSettings, text_tokens
from preceptor.tune.methods.unfreeze import UnfreezeSettings
from preceptor.tune.settings import Budget, FitSettings

TOKENS = torch.tensor([[5, 6, 7, 8]])
TEXT = "Water boils on a mountain."
LABELS = ["yes", "no"]
TEXT_ROWS = [
    text_row(tiny_tokenizer(), f"Is {'water ' * (1 + i)}wet?", (" yes", " no")[i % 2], "answer")
    for i in range(3)
]
LABEL_ROWS = [LabelRow((5, 6, 7 + i), i % 2) for i in range(3)]

PREFIX = {"virtual_tokens": 3}
SETTINGS: dict[str, Any] = {
    "full": FullSettings(),
    "lora": LoraSettings(),
    "lora, last block": LoraSettings(last_blocks=1),
    "dora": LoraSettings(dora=True, rslora=True),
    "prefix": PrefixSettings(**PREFIX),
    "prefix, projection": PrefixSettings(**PREFIX, projection=True),
    "prefix, text": PrefixSettings(**PREFIX, initialise="text", text=TEXT),
    "boft": BoftSettings(targets="all-linear"),
    "boft, last block": BoftSettings(targets="all-linear", last_blocks=1),
    "unfreeze": UnfreezeSettings(),
    "unfreeze, tied": UnfreezeSettings(head="tied"),
    "unfreeze, block alone": UnfreezeSettings(head="frozen", final_norm=False),
}
TIED = ["Gemma2ForCausalLM", "CohereForCausalLM", "BioGptForCausalLM", "GPT2LMHeadModel"]
TIED += ["OPTForCausalLM"]
DECODERS_ALONE = {"unfreeze, tied", "unfreeze, block alone"}
ENCODERS = ["BertForMaskedLM", "RobertaForMaskedLM", "DistilBertForMaskedLM"]
ENCODERS += ["ModernBertForMaskedLM"]


def fits(setting: str, family: str) -> bool:
    """All else is refused: see test_method_refusals."""
    if family in ENCODERS:
        return not setting.startswith("prefix") and setting not in DECODERS_ALONE
    if setting.startswith("boft"):
        return family != "GPT2LMHeadModel"
    return setting != "unfreeze, tied" or family in TIED


def attach(model: Any, settings: Any) -> Any:
    with seeded(0):
        return METHODS[settings.name].attach(model, settings, tiny_tokenizer())


def train(model: Any) -> None:
    rows: Any = TEXT_ROWS if model.can_generate() else LABEL_ROWS
    rate = 3e-2 if model.can_generate() else 3e-3
    options: Any = {"learning_rate": rate, "seed": 0, "label": "fit", "pad_id": 0}
    settings = FitSettings(warmup=0, schedule="constant")
    fit(model, rows, Budget(steps=4), settings, **options)


def loss(model: Any) -> float:
    """In eval mode: dropout would drown what a few steps on a classifier change."""
    model.eval()
    if model.can_generate():
        rows = [(torch.tensor([row.tokens]), row.first - 1) for row in TEXT_ROWS]
        pairs = [(model(one).logits[0, at:-1], one[0, at + 1 :]) for one, at in rows]
    else:
        rows = [(torch.tensor([row.tokens]), row.label) for row in LABEL_ROWS]
        pairs = [(model(one).logits, torch.tensor([label])) for one, label in rows]
    return sum(torch.nn.functional.cross_entropy(*pair).item() for pair in pairs)


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def trainable(model: Any) -> set[str]:
    return {name for name, value in model.named_parameters() if value.requires_grad}


def trained_block(setting: str, names: set[str]) -> bool:
    """Whether a setting that is limited to the last block trains nothing in the first."""
    limited = "block" in setting or setting.startswith("unfreeze")
    return not limited or not any(".0." in name.partition("lora_")[0] for name in names)


def check_training(model: Any, setting: str) -> None:
    before, chosen = weights(model), trainable(model)
    start = loss(model)
    train(model)
    assert loss(model) < start
    after = weights(model)
    assert {name for name in after if not torch.equal(after[name], before[name])} == chosen
    assert trained_block(setting, chosen)


def base(folder: Path, model: Any) -> Weights:
    return resolve(str(saved(model, folder / "base")))


@pytest.mark.parametrize(
    ("setting", "family"), [pair for pair in product(SETTINGS, DECODERS) if fits(*pair)]
)
def test_a_decoder(setting: str, family: str, tmp_path: Path) -> None:
    source = base(tmp_path, tiny_decoder(family, **NO_DROPOUT.get(family, {})))
    model, tokenizer = load_decoder(source)
    model = attach(model, SETTINGS[setting])
    assert not any(module.training for module in model.modules())
    check_training(model, setting)
    save(model, tokenizer, tmp_path / "out", source)
    again, _ = load_saved(tmp_path / "out")
    same = torch.allclose if "projection" in setting else torch.equal
    assert same(again(TOKENS).logits, model(TOKENS).logits)


@pytest.mark.parametrize(
    ("setting", "family"), [pair for pair in product(SETTINGS, ENCODERS) if fits(*pair)]
)
def test_a_classifier(setting: str, family: str, tmp_path: Path) -> None:
    source = base(tmp_path, tiny_encoder(family))
    model, tokenizer = load_encoder(source, LABELS, seed=3)
    model = attach(model, SETTINGS[setting])
    check_training(model, setting)
    save(model, tokenizer, tmp_path / "out", source)
    again, _ = load_saved(tmp_path / "out")
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


def test_every_method_has_its_settings_and_says_what_they_mean() -> None:
    union = get_args(get_args(MethodSettings)[0])
    assert [one.model_fields["name"].default for one in union] == list(METHODS)
    for one in union:
        fields = {name: field for name, field in one.model_fields.items() if name != "name"}
        assert all(field.description for field in fields.values())
        assert METHODS[one.model_fields["name"].default].KINDS


@pytest.mark.parametrize("family", DECODERS)
def test_a_prefix_from_a_text_starts_as_if_the_text_stood_in_front(family: str) -> None:
    settings = PrefixSettings(virtual_tokens=9, initialise="text", text=TEXT)
    text = torch.tensor([text_tokens(tiny_tokenizer(), TEXT, 9)])
    expected = tiny_decoder(family)(torch.cat([text, TOKENS], 1)).logits[:, 9:]
    adapted = attach(tiny_decoder(family), settings).eval()
    assert torch.allclose(adapted(TOKENS).logits, expected, atol=1e-5)


PROMPTS = ["Is it? Answer:", "Does water boil at lower heat on a mountain? Answer:"]


@pytest.mark.parametrize("family", DECODERS)
def test_a_prefix_is_read_wherever_a_student_predicts(family: str) -> None:
    model = attach(tiny_decoder(family), PrefixSettings(virtual_tokens=5)).eval()
    tokenizer = tiny_tokenizer()
    options: Any = {"batch_tokens": 500, "label": "test"}
    batched = generate(model, tokenizer, PROMPTS, "default", max_new_tokens=4, **options)
    scores = label_scores(model, tokenizer, PROMPTS, [" yes", " maybe"], **options)
    for number, prompt in enumerate(PROMPTS):
        before, answers = encode_answers(tokenizer, prompt, [" yes", " maybe"])
        tokens = list(before)
        while len(tokens) < len(before) + 4 and tokens[-1] != tokenizer.eos_token_id:
            tokens.append(int(logits(model, tokens)[-1].argmax()))
        written = tokenizer.decode(tokens[len(before) :], skip_special_tokens=True)
        assert batched[number].strip() == written.strip()
        for answer, score in zip(answers, scores[number], strict=True):
            logs = logits(model, [*before, *answer]).log_softmax(-1)[len(before) - 1 : -1]
            expected = logs[range(len(answer)), answer].sum().item()
            assert score == pytest.approx(expected, abs=1e-4)


def logits(model: Any, tokens: list[int]) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(torch.tensor([tokens]), use_cache=False).logits[0]
    return found


def test_a_short_text_is_repeated_and_a_long_one_cut() -> None:
    tokenizer = tiny_tokenizer(begin=True)
    once = text_tokens(tokenizer, "wet water", 4)
    assert once == tokenizer("wet water")["input_ids"][:4]
    longer = text_tokens(tokenizer, "wet water", 40)
    assert tokenizer.decode(longer, skip_special_tokens=True).startswith("wet water\nwet water\n")
    assert longer[0] == tokenizer.bos_token_id
    assert longer.count(tokenizer.bos_token_id) == 1
    assert len(longer) == 40


def test_trainable_parameters_of_every_method() -> None:
    total = count_parameters(tiny_decoder())[0]
    norms, attention, fed = 2 * 32, 2 * 32 * 32 + 2 * 32 * 16, 3 * 32 * 48
    block, head = norms + attention + fed, 400 * 32
    # Two blocks; keys and values of 2 heads of 8.
    assert count_parameters(attach(tiny_decoder(), SETTINGS["prefix"]))[0] == 3 * 2 * 2 * 16
    assert count_parameters(attach(tiny_decoder(), SETTINGS["unfreeze"])) == (
        block + 32 + head,
        total,
    )
    queries = LoraSettings(targets=("q_proj",), rank=2, last_blocks=1)
    assert count_parameters(attach(tiny_decoder(), queries))[0] == 2 * (32 + 32)
    # Per layer 8 groups of 4 x 4 and a scale for every output.
    rotated = BoftSettings(targets=("q_proj", "v_proj"), last_blocks=1)
    assert count_parameters(attach(tiny_decoder(), rotated))[0] == 2 * 8 * 16 + 32 + 16


def test_rslora_divides_by_the_root_of_the_rank() -> None:
    adapted = attach(tiny_decoder(), LoraSettings(rank=4, alpha=64, rslora=True))
    layer = adapted.get_base_model().model.layers[0].self_attn.q_proj
    assert layer.scaling["default"] == 32


def test_boft_starts_as_no_change() -> None:
    model = tiny_decoder()
    before = model(TOKENS).logits
    adapted = attach(model, BoftSettings(block_size=8)).eval()
    assert torch.allclose(adapted(TOKENS).logits, before, atol=1e-5)


def test_a_tied_head_is_trained_with_the_embedding_and_an_untied_one_without() -> None:
    tied = attach(tiny_decoder("GPT2LMHeadModel"), UnfreezeSettings(head="tied"))
    assert is_tied(tied)
    assert "transformer.wte.weight" in trainable(tied)
    untied = attach(tiny_decoder("GPT2LMHeadModel"), UnfreezeSettings())
    assert "transformer.wte.weight" not in trainable(untied)
    assert "lm_head.weight" in trainable(untied)
    opt = attach(tiny_decoder("OPTForCausalLM"), UnfreezeSettings())
    assert {"model.decoder.project_out.weight", "lm_head.weight"} < trainable(opt)
    assert "model.decoder.project_in.weight" not in trainable(opt)


@pytest.mark.parametrize("family", SEQ2SEQ)
@pytest.mark.parametrize("setting", ["full", "lora", "dora", "boft"])
def test_an_encoder_decoder(setting: str, family: str, tmp_path: Path) -> None:
    source = base(tmp_path, tiny_seq2seq(family))
    model, tokenizer = load_seq2seq(source)
    inputs = {"input_ids": TOKENS, "decoder_input_ids": TOKENS}
    before = model(**inputs).logits
    model = attach(model, SETTINGS[setting])
    with torch.no_grad():
        for value in model.parameters():
            if value.requires_grad:
                value.add_(0.1 * torch.randn_like(value))
    save(model, tokenizer, tmp_path / "out", source)
    again, _ = load_saved(tmp_path / "out")
    assert torch.equal(again(**inputs).logits, model(**inputs).logits)
    assert not torch.equal(again(**inputs).logits, before)
