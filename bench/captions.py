"""A synthetic list of captions, the same on every machine: the everyday load of a tokenizer.

Lines as alt texts on the web have them: a phrase or two, names and numbers, here and there a
curly quote, an accent, an emoji, an HTML entity. `captions(100_000)` holds 5 MB of text; a long
tail of names keeps any cache of words from holding all of it.
"""

import random
import string

ADJECTIVES = "old small red bright wooden happy sleeping vintage broken tiny modern golden".split()
NOUNS = (
    "cat dog bicycle train woman man child beach kitchen table street market mountain river house "
    "guitar pizza cake horse elephant zebra laptop phone clock bench umbrella kite surfboard bus "
    "truck boat airplane bottle glass sandwich bowl banana apple broccoli carrot sofa bed toilet"
).split()
VERBS = "sitting on,standing near,walking past,playing with,looking at,riding,holding".split(",")
ODD = ["café", "naïve", "“quoted”", "jalapeño", "&amp;", "🐱", "東京", "it's", "don't", "3.5"]


def captions(count: int, seed: int = 0) -> list[str]:
    """Make `count` captions of about ten words."""
    draw = random.Random(seed)
    names = [
        "".join(draw.choices(string.ascii_lowercase, k=draw.randint(4, 9))) for _ in range(20_000)
    ]
    return [_caption(draw, names) for _ in range(count)]


def _caption(draw: random.Random, names: list[str]) -> str:
    words = ["A photo of a" if draw.random() < 0.5 else "the", draw.choice(ADJECTIVES)]
    words += [draw.choice(NOUNS), draw.choice(VERBS), "a", draw.choice(NOUNS)]
    if draw.random() < 0.5:
        words += [
            "in",
            names[int(len(names) ** draw.random()) - 1].capitalize(),
        ]  # few are frequent
    if draw.random() < 0.3:
        words.append(f"#{draw.randint(1, 2500)}")
    if draw.random() < 0.1:
        words.append(draw.choice(ODD))
    return " ".join(words) + draw.choice(["", ".", "!", " ...", ", stock photo"])
