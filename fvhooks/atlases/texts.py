"""A vector for each of some texts, by their words and parts of words: nothing is learned or downloaded."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from zlib import crc32

import numpy as np
from jaxtyping import Float32

WIDTH = 1_024
"""Numbers that a text becomes, whatever the number of texts."""

_WORD = re.compile(r"[^\W_]+")
_PARTS = (3, 4, 5)  # letters of a part of a word


def text_features(texts: Sequence[str]) -> Float32[np.ndarray, "text 1024"]:
    """Texts by the words that they share, and by parts of words: "sheepdog" is near "dog".

    Words, and runs of 3 to 5 letters of each (its ends count as letters), weigh the more the fewer of the
    texts have them (TF-IDF); words together weigh as much as parts. Each is hashed to one of 1,024 numbers,
    so that memory does not grow with the vocabulary. Spelling is all that counts: "lorry" and "truck" have
    nothing in common. For meaning bring vectors of a language model.

    Examples:
        >>> maltese, collie, lorry = text_features(["maltese dog", "dog, collie", "lorry"])
        >>> bool(maltese @ collie > 0.1 > maltese @ lorry)
        True

    Args:
        texts: any, several of them alike or not; case does not count.

    Returns:
        Vectors of length 1, so that products are cosines; zeros for a text without letters or digits. The
        same on every machine.
    """
    distinct = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    found = np.zeros((len(distinct), WIDTH), np.float32)
    for pieces in (_words, _parts):
        found += _hashed([Counter(pieces(text)) for text in distinct])
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    found /= np.where(lengths > 0, lengths, 1.0)
    chosen: Float32[np.ndarray, "text 1024"] = found[[distinct[text] for text in texts]]
    return chosen


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _parts(text: str) -> list[str]:
    """Runs of letters, the ends of a word marked; another mark keeps them apart from words."""
    ended = [f"<{word}>" for word in _words(text)]
    return [
        f"#{word[start : start + size]}"
        for word in ended
        for size in _PARTS
        for start in range(len(word) - size + 1)
    ]


def _hashed(counts: list[Counter[str]]) -> Float32[np.ndarray, "text 1024"]:
    """Weighted counts of pieces, each text of length 1."""
    texts_with = Counter(piece for counted in counts for piece in counted)
    found = np.zeros((len(counts), WIDTH), np.float32)
    places: dict[str, tuple[int, float]] = {}
    for piece, number in texts_with.items():
        code = crc32(piece.encode())
        sign = 1.0 if code >> 31 else -1.0  # so that pieces that share a number cancel out on average
        places[piece] = code % WIDTH, sign * (1 + math.log((1 + len(counts)) / (1 + number)))
    for row, counted in zip(found, counts, strict=True):
        for piece, number in counted.items():
            place, weight = places[piece]
            row[place] += number * weight
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(lengths > 0, lengths, 1.0), np.float32)
