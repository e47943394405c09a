"""The nano model's one tokenizer: the words of the sample and of the shipped templates, in lower case."""

import string
from collections import Counter
from collections.abc import Iterator

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from datagen.sample.clip_questions import ask_about_clip
from datagen.sample.clips import make_clip
from datagen.sample.dialogs import PHRASES, dialog, opening
from datagen.sample.scenes import make_scene, random_for
from pipelines.nano.texts import texts
from templates.library import SHIPPED_SETS, TemplateSet, load_templates

PAD, EOS, UNKNOWN, START, IMAGE = range(5)
SPECIAL_TOKENS = ("[PAD]", "</s>", "[UNK]", "[CLS]", "<image>")
"""In the order of their ids. `[CLS]` opens what the Q-Former reads, `</s>` ends every target."""

_NUM_SCENES = 400
_TEXTS_PER_SCENE = 10


def make_tokenizer(templates: TemplateSet, seed: int) -> Tokenizer:
    """Whole words, the commonest first; an unknown word is spelled out character by character."""
    normalizer = normalizers.BertNormalizer(lowercase=True)
    splitter = pre_tokenizers.BertPreTokenizer()
    counts: Counter[str] = Counter()
    for text in _corpus(templates, seed):
        counts.update(w for w, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    words = sorted(counts, key=lambda word: (-counts[word], word))
    letters = string.ascii_lowercase + string.digits
    spelled = [*letters, *string.punctuation, *(f"##{letter}" for letter in letters)]
    entries = dict.fromkeys([*SPECIAL_TOKENS, *words, *spelled])
    tokenizer = Tokenizer(
        models.WordPiece(
            {entry: number for number, entry in enumerate(entries)},
            unk_token=SPECIAL_TOKENS[UNKNOWN],
        )
    )
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $A $B", special_tokens=[("[CLS]", START)]
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _corpus(templates: TemplateSet, seed: int) -> Iterator[str]:
    for index in range(_NUM_SCENES):
        scene = make_scene(seed, "nano_vocabulary", index)
        random = random_for(seed, "nano_vocabulary", index, "texts")
        for text in texts(scene, random, templates, _TEXTS_PER_SCENE):
            yield f"{text.instruction} {text.target}"
        yield opening(scene, random)
        for turn in dialog(scene, random):
            yield f"{turn.question} {turn.answer}"
        for question in ask_about_clip(make_clip(seed, "nano_vocabulary", index), random):
            yield f"{question.text} {question.answer}"
    for phrases in PHRASES.values():
        yield from phrases
    for name in SHIPPED_SETS:
        shipped = load_templates(name)
        yield from (template.instruction.source for template in shipped.templates)
        asked = [each for each in shipped.protocols.values() if each.extends is None]  # no variants
        yield from (protocol.prompt.source for protocol in asked)
