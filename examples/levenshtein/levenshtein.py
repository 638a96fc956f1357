"""The words of a dictionary that are nearest to one that is misspelt.

Each is searched for once: the next process finds it too, until the dictionary changes.

`python examples/levenshtein/levenshtein.py recieve seperate`
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import everfresh as ef

# Where Debian's package `wamerican` puts its words.
DICTIONARY = "/usr/share/dict/american-english"


def distance(one: str, other: str) -> int:
    """Levenshtein's distance, in which two letters that are swapped count as one mistake."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        before, last, row = row, before, [place]
        for at, own in enumerate(other, 1):
            best = min(before[at] + 1, row[at - 1] + 1, before[at - 1] + (letter != own))
            if place > 1 and at > 1 and letter == other[at - 2] and one[place - 2] == own:
                best = min(best, last[at - 2] + 1)
            row.append(best)
    return row[-1]


@ef.cached(store=True)
def nearest(word: str, dictionary: str) -> list[str]:
    """The three nearest words; the first ones of those that are as near. That the file counts needs no declaration."""
    best: list[tuple[int, str]] = []
    for own in Path(dictionary).read_text(encoding="utf-8").splitlines():
        # A word that is so much longer or shorter cannot be nearer.
        if len(best) < 3 or abs(len(own) - len(word)) <= best[-1][0]:
            best = sorted([*best, (distance(word, own), own)])[:3]
    return [own for _, own in best]


def main() -> None:
    dictionary = os.environ.get("DICTIONARY", DICTIONARY)
    if not Path(dictionary).is_file():
        sys.exit("there is no list of words: run `apt-get install wamerican`, or name one in DICTIONARY")
    for word in sys.argv[1:] or ["recieve", "seperate"]:
        explained = nearest.cache_explain(word, dictionary)
        why = "found" if explained.startswith("hit") else explained.replace("miss", "computed", 1)
        print(f"{word}: {', '.join(nearest(word, dictionary))} ({why})")


if __name__ == "__main__":
    main()
