"""The negations of a text, and which words they bear on. Words are English.

After NegEx (Chapman et al., 2001): a cue bears on the words behind it, up to the end of the
sentence or a "but".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CUES = _words(
    "not no never none nobody nothing nowhere neither nor without cannot nope denies"
    " denying dont doesnt didnt isnt arent wasnt werent cant couldnt wont wouldnt shouldnt"
    " havent hasnt hadnt aint"
)
_SOFT = re.compile(
    r"""(?: lack|absen|absent|fail|refus|reject|declin|den(?:y|ied)|avoid|stop|quit|ceas|skip|miss
    |prevent|block|forb[ia]d|prohibit|exclu|except|hardly|barely|scarce|rare|seldom|unless|until
    |otherwise|negative|free|trouble|difficult|struggl|lost|loss|losing|closed|wrong|doubt|wonder
    |forg[eo]t|minus|nil|empty|instead|rather|wait|worse|ran|runs|running|only|few|little|zero
    |non|un(?!der|til|i[otvq]|it)|dis(?:agree|allow|approv|continu|like|appear|respect)
    |in(?:abil|capab|complet|adequat|effect|sufficien|significan|sensitiv|correct|accura|valid
        |elig|frequent|activ|toleran)
    |im(?:possib|probab|perfect|matur|mobil)|ir(?:regular|relevan|revers)|ab(?:normal)
    |a(?:symptomatic|febrile)|cancel|expir|bare|minim|nor\b|out\b|too\b|off\b|gone\b|away\b
    |hard\b|\w+less\b )""",
    re.VERBOSE,
)
"""words that can say what a negation says ("failed to", "unable", "out of"): one that comes with
the loss of a negation, or goes as one comes, stands for it"""
_IDIOMS = re.compile(
    r"\b(?:not (?:only|just|to mention)|no (?:matter|doubt|problem|worries|wonder)|whether or not"
    r"|or not|why not|doesn't matter|no\.? ?(?=\d)|(?:do not|don't|dont) hesitate"
    r"|(?:can't|cannot) help|nothing but|never ?mind|no[ -]show"
    r"|no (?:later|more|less|fewer) than|not (?:more|less) than"
    r"|(?:can't|cannot) wait|(?:never|can't|cannot|won't|doesn't) (?:stop|miss|fail)s?)\b"
)
"""words of a negation that deny nothing"""
_ASKED = _words("i you he she it we they there this that anyone anybody someone")
"""behind "n't" these make a question of it ("couldn't you"), which denies nothing"""
_CLAIMED = _words(
    "the my our his her their your a an it me us him them that this coverage payment by"
)
_BE = _words("is was were been being got get")
"""around "denied" these make a refusal of it (of a claim), not a symptom that is absent"""
_LIGHT = _words(
    "a an the any some my your his her its our their this that these those it i you he she"
    " we they me him them us to of at in on for by with from as is are was were be been"
    " being am do does did done have has had having get got getting gets go goes going will"
    " would can could should may might must really very even yet so much more most enough"
    " ever all both also just still there then than if whether about one ones s t re ve ll d"
    " m and or"
)
"""function words, on which no verdict hangs"""
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)?|[.,;:!?()]")
_BREAKS = frozenset(".;:!?()")
_TURNS = _words("but however although though yet")
_REACH, _BEFORE, _NEAR = 8, 4, 5
"""words behind a cue that it bears on, words before it ("fever was not seen"), and words
within which its head stands"""
_FORWARD = _words("no without neither nor")
"""cues that bear on nothing before them"""
_PREFIXES = ("un", "non", "dis", "in", "im", "ir", "ab", "a")
_STEM = 5
"""letters that an affix leaves at least: "inform" is no denial of "form" """


@dataclass(frozen=True, slots=True)
class Negations:
    """Of a text.

    Attributes:
        cues: words that deny ("not", "denies"), in order.
        soft: words that can stand for one ("failed", "unable").
        heads: the stem of the word that each cue denies first, with how both stand there.
        stems: of all content words, whether each is denied somewhere.
    """

    cues: list[str] = field(default_factory=list)
    soft: set[str] = field(default_factory=set)
    heads: dict[str, str] = field(default_factory=dict)
    stems: dict[str, bool] = field(default_factory=dict)


def negation_changes(before: Negations, after: Negations) -> tuple[list[str], list[str]]:
    """Which negations are lost and which are new."""
    return _lacking(before, after), _lacking(after, before)


def _lacking(here: Negations, there: Negations) -> list[str]:
    """Negations of ``here`` that ``there`` does not have.

    Either it has none at all, and no word that can stand for one; or it has the very word that
    is denied here, and does not deny it.
    """
    turned = [shown for stem, shown in here.heads.items() if there.stems.get(stem) is False]
    if turned:
        return turned
    if here.cues and not there.cues and not there.soft - here.soft:
        return [next(iter(here.heads.values()), here.cues[0])]
    return [] if here.cues else _prefixed(here, there)


def _prefixed(here: Negations, there: Negations) -> list[str]:
    """Words with a prefix that denies ("unstable") where the other text has the word without."""
    return [
        stem
        for stem, is_denied in here.stems.items()
        for base in (stem.removeprefix(prefix) for prefix in _PREFIXES if stem.startswith(prefix))
        if len(base) >= _STEM
        and not is_denied
        and base not in here.stems
        and stem not in there.stems
        and there.stems.get(base) is False
    ]


def negations_of(text: str) -> Negations:
    """Find negations and what they bear on."""
    text = text.replace("’", "'").casefold().replace("w/o", "without")
    text = re.sub(r"\bcan not\b", "cannot", text)
    tokens = _TOKEN.findall(_IDIOMS.sub(" ", text))
    found = Negations()
    cues = [place for place in range(len(tokens)) if _is_cue(tokens, place)]
    soft = [place for place, word in enumerate(tokens) if _SOFT.match(word)]
    found.cues.extend(tokens[place] for place in cues)
    found.soft.update(tokens[place] for place in soft)
    for place in cues:
        head = next(_heads(tokens, place), None)
        if head is not None:
            found.heads.setdefault(_stem(head), f"{tokens[place]} {head}")
    covered = {place for cue in (*cues, *soft) for place in _covered(tokens, cue)}
    for place, word in enumerate(tokens):
        if word.isalnum() and word not in _LIGHT and word not in _CUES:
            stem = _stem(word)
            found.stems[stem] = found.stems.get(stem, False) or place in covered
    return found


def _is_cue(tokens: Sequence[str], place: int) -> bool:
    word = tokens[place]
    following = tokens[place + 1] if place + 1 < len(tokens) else ""
    if word.endswith("n't"):
        return following not in _ASKED or (place > 0 and tokens[place - 1] == "why")
    if word == "denied":
        return following not in _CLAIMED and tokens[place - 1] not in _BE
    return word in _CUES or (word == "absence" and following == "of")


def _heads(tokens: Sequence[str], cue: int) -> Iterator[str]:
    """The content words just behind a cue; none behind "not unable", which affirms."""
    for word in tokens[cue + 1 : cue + 1 + _NEAR]:
        if not word[0].isalnum() or word in _TURNS or _SOFT.match(word):
            return
        if word not in _LIGHT and word not in _CUES:
            yield word


def _covered(tokens: Sequence[str], cue: int) -> Iterator[int]:
    """Places of the words that a cue may bear on: generous, since a rewrite moves them."""
    for place in range(cue + 1, min(len(tokens), cue + 1 + _REACH)):
        if tokens[place] in _BREAKS or tokens[place] in _TURNS:
            break
        yield place
    if tokens[cue] in _FORWARD:
        return
    for place in range(cue - 1, max(-1, cue - 1 - _BEFORE), -1):
        if not tokens[place][0].isalnum() or tokens[place] in _TURNS:
            break
        yield place


def _stem(word: str) -> str:
    """A word without its commonest endings."""
    word = word.removesuffix("'s")
    for ending in ("ing", "ed", "es", "ly", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word
