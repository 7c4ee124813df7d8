"""What it may cost to try a regular expression: whoever fills in a form must not be able to stop a worker.

``re`` goes back and tries another way wherever a text can be matched in several.  The expression is turned
into its position automaton (Glushkov), where such texts can be seen: two ways around one circle double with
every character; two circles that one text leads through, one after the other, multiply by its length.
Bounded repeats count as endless ones, which errs on the safe side.
"""

from __future__ import annotations

import re
import re._constants as op  # type: ignore[import-not-found]  # the one reader of patterns that agrees with re
import re._parser as parser  # type: ignore[import-not-found]
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["endless_steps", "most_steps"]

MOST_STEPS = 300_000_000
"""By the rough count; a quarter of a second."""
MOST_POSITIONS = 300
COPIES = 4
"""A part that stands at most so often is written out, a fixed count always while there is room."""

_SAMPLES = [chr(number) for number in range(128)] + ["é", "\u2028", "語"]
_CATEGORIES = {
    op.CATEGORY_DIGIT: r"\d", op.CATEGORY_NOT_DIGIT: r"\D", op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S", op.CATEGORY_WORD: r"\w", op.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip
_QUANTIFIERS = re.compile(r"[*+?{]")
_BEHIND_OR_AHEAD = (op.ASSERT, op.ASSERT_NOT)


def most_steps(pattern: str, length: int) -> float:
    """Roughly the steps that a text of this length can take; infinite where they double with its characters.

    Args:
        pattern: A valid expression that the whole text must match.
        length: Of the text.
    """
    tree = parser.parse(pattern, re.ASCII)
    parts = [tree]
    steps = 0.0
    while parts:
        machine = _Machine(fold=_folds(tree))
        part = parts.pop()
        machine.read(part)
        parts += machine.aside
        if machine.doubles():
            return float("inf")
        steps += float(length) ** machine.degree()
    return steps


def endless_steps(pattern: str, length: int) -> bool:
    """Whether a text of this length can take seconds; arguments as ``most_steps``."""
    if len(_QUANTIFIERS.findall(pattern)) <= 1 and "|" not in pattern:
        return False  # most patterns; nothing to go back to, so that a start need not pay for the automaton
    return most_steps(pattern, length) > MOST_STEPS


@dataclass(slots=True)
class _Part:
    """A part of the expression: where it may begin and end, and in how many ways it may be empty."""

    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    empty: int = 1


class _Machine:
    """The position automaton of an expression; a number on an edge is in how many ways it is taken."""

    def __init__(self, *, fold: bool) -> None:
        self.letters: list[frozenset[str]] = []
        self.edges: Counter[tuple[int, int]] = Counter()
        self.aside: list[Any] = []
        self._fold = fold
        self._next: list[list[int]] = []

    def read(self, tree: Any) -> None:
        self._sequence(tree)
        self._next = [[] for _ in self.letters]
        for source, target in self.edges:
            self._next[source].append(target)

    # ---- building

    def _sequence(self, items: Iterable[Any]) -> _Part:
        whole = _Part()
        for item in items:
            whole = self._behind(whole, self._item(*item))
        return whole

    def _behind(self, left: _Part, right: _Part) -> _Part:
        self.edges.update((a, b) for a in left.last for b in right.first)
        first = left.first + right.first * left.empty
        last = left.last * right.empty + right.last
        return _Part(first, last, min(left.empty * right.empty, 2))

    def _item(self, kind: Any, value: Any) -> _Part:
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            return self._repeat(*value)
        if kind is op.SUBPATTERN:
            return self._sequence(value[3])
        if kind is op.BRANCH:
            branches = [self._sequence(branch) for branch in value[1]]
            return _Part(
                [p for b in branches for p in b.first],
                [p for b in branches for p in b.last],
                min(sum(b.empty for b in branches), 2),
            )
        if kind in _BEHIND_OR_AHEAD:
            self.aside.append(value[1])
            return _Part()
        if kind is op.AT:
            return _Part()
        if kind in (op.ATOMIC_GROUP, op.POSSESSIVE_REPEAT):
            # Never entered again from behind: for what stands around it, it is one letter.
            body = value[2] if kind is op.POSSESSIVE_REPEAT else value
            self.aside.append(body)
            inside = _Machine(fold=self._fold)
            inside.read(body)
            return self._letter(frozenset().union(*inside.letters))
        return self._letter(self._matched(kind, value))

    def _letter(self, letters: frozenset[str]) -> _Part:
        self.letters.append(letters)
        place = len(self.letters) - 1
        return _Part([place], [place], empty=0)

    def _repeat(self, least: int, most: Any, body: Any) -> _Part:
        before = len(self.letters)
        part = self._sequence(body)
        size = len(self.letters) - before
        if most == 1:
            return _Part(part.first, part.last, min(part.empty + (least == 0), 2))
        if not size:
            return part
        room = len(self.letters) + size * (int(most) - 1) <= MOST_POSITIONS
        if room and (most <= COPIES or least == most) and not part.empty:
            whole = _Part(part.first, part.last, int(least == 0))
            for number in range(1, int(most)):
                copy = self._sequence(body)
                whole = self._behind(whole, _Part(copy.first, copy.last, int(number >= least)))
            return whole
        ways = 2 if part.empty and least > 1 else 1  # which of the rounds are the empty ones
        for source in part.last:
            for target in part.first:
                self.edges[source, target] += ways
        return _Part(part.first, part.last, part.empty or int(least == 0))

    def _matched(self, kind: Any, value: Any) -> frozenset[str]:
        found = {letter for letter in _SAMPLES if self._matches(kind, value, letter)}
        if kind is op.LITERAL and value > 127:
            found.add(chr(value))
        if self._fold:
            found |= {letter.swapcase() for letter in found}
        return frozenset(found)

    def _matches(self, kind: Any, value: Any, letter: str) -> bool:
        if kind in (op.LITERAL, op.NOT_LITERAL):
            return (ord(letter) == int(value)) is (kind is op.LITERAL)
        if kind is op.RANGE:
            low, high = int(value[0]), int(value[1])
            # A range beyond ASCII may meet another one there: one sample stands for all of it.
            return low <= ord(letter) <= high or (high > 127 and ord(letter) > 127)
        if kind is op.CATEGORY:
            return re.fullmatch(_CATEGORIES[value], letter, re.ASCII) is not None
        if kind is op.IN:
            inside = any(self._matches(k, v, letter) for k, v in value if k is not op.NEGATE)
            return inside is not any(k is op.NEGATE for k, _ in value)
        return True  # any letter, a group again, and what is not known

    # ---- judging

    def doubles(self) -> bool:
        """Whether there are two ways around one circle with the same text."""
        for (source, target), ways in self.edges.items():
            if ways > 1 and source in {target, *self._reached(target)}:
                return True
        return any(self._splits(place) for place in range(len(self.letters)))

    def _splits(self, place: int) -> bool:
        """Whether two different ways lead from a place back to it, side by side."""
        start = (place, place)
        forward: dict[tuple[int, int], list[tuple[int, int]]] = {}
        waiting = [start]
        while waiting:
            pair = waiting.pop()
            if pair in forward:
                continue
            forward[pair] = [
                (a, b)
                for a in self._next[pair[0]]
                for b in self._next[pair[1]]
                if self.letters[a] & self.letters[b]
            ]
            waiting += forward[pair]
        backward: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for pair, following in forward.items():
            for other in following:
                backward.setdefault(other, []).append(pair)
        seen: set[tuple[int, int]] = set()
        waiting = [start]
        while waiting:
            for pair in backward.get(waiting.pop(), ()):
                if pair not in seen:
                    if pair[0] != pair[1]:
                        return True
                    seen.add(pair)
                    waiting.append(pair)
                elif pair[0] != pair[1]:
                    return True
        return False

    def _reached(self, start: int) -> set[int]:
        seen: set[int] = set()
        waiting = [start]
        while waiting:
            for target in self._next[waiting.pop()]:
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return seen

    def degree(self) -> int:
        """How many circles one text can lead through, one after the other; at least 1."""
        reached = [self._reached(place) for place in range(len(self.letters))]
        circles: list[tuple[list[int], frozenset[str]]] = []
        for place, there in enumerate(reached):
            if any(place in members for members, _ in circles):
                continue
            members = [other for other in there if place in reached[other]]
            if len(members) > 1 or (place, place) in self.edges:
                circles.append((members, frozenset().union(*(self.letters[m] for m in members))))
        best: list[int] = []
        for number in reversed(range(len(circles))):  # what follows stands behind
            behind = zip(reversed(circles[number + 1 :]), best, strict=True)
            best.append(1 + max((n for other, n in behind if self._leads(circles[number], other)), default=0))
        return max(best, default=1)

    def _leads(
        self, source: tuple[list[int], frozenset[str]], target: tuple[list[int], frozenset[str]]
    ) -> bool:
        """Whether letters that both circles take lead from the one to the other."""
        common = source[1] & target[1]
        seen = set(source[0])
        waiting = list(source[0])
        while waiting:
            for place in self._next[waiting.pop()]:
                if place not in seen and self.letters[place] & common:
                    if place in target[0]:
                        return True
                    seen.add(place)
                    waiting.append(place)
        return False


def _folds(tree: Any) -> bool:
    """Whether some of it ignores case."""
    return bool(tree.state.flags & re.IGNORECASE) or _part_folds(tree)


def _part_folds(tree: Any) -> bool:
    for kind, value in tree:
        if kind is op.SUBPATTERN and (value[1] & re.IGNORECASE or _part_folds(value[3])):
            return True
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT) and _part_folds(value[2]):
            return True
        if kind is op.BRANCH and any(_part_folds(branch) for branch in value[1]):
            return True
    return False
