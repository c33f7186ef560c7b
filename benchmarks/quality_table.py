"""Tables of the quality benchmark, and which of their columns an entry wins that shows nothing."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from quality_entries import REAL
from quality_protocol import Track

Scores = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column: what its cell says, and how good that is beside real images (higher is better).

    `merit` takes the scores of an entry and of fresh real images; None: a column nobody can win.
    """

    name: str
    group: str
    say: Callable[[Scores], str]
    merit: Callable[[Scores, Scores], float] | None = None


def columns(track: Track) -> list[Column]:
    """All columns of a track, group by group."""
    other = track.judges[-1].name
    found = [
        Column("identity z", "unit", _interval("identity", "z"), _identity),
        Column("own unit first", "unit", lambda s: f"{s['identity']['first']['value']:.0%}"),
        Column("activation inside", "unit", _inside("activation"), _natural("activation")),
    ]
    for judge in (judge.name for judge in track.judges):
        found += [
            Column(
                f"log-odds inside: {judge}",
                "log-odds",
                _inside(judge, "log_odds"),
                _natural(judge, "log_odds"),
            ),
            Column(f"accuracy: {judge}", "log-odds", lambda s, j=judge: f"{s[j]['accuracy']:.0%}"),
            Column(f"mean term: {judge}", "Fréchet", _interval(judge, "mean"), _mean(judge)),
            Column(f"covariance term: {judge}", "Fréchet", _interval(judge, "covariance", 1), _near(judge)),
        ]
    for layer in track.layers:
        found += [
            Column(f"contrast: {layer}", "path contrast", _interval("paths", layer), _contrast(layer)),
            Column(
                f"path inside: {layer}",
                "path range",
                _inside("percentiles", layer),
                _natural("percentiles", layer),
            ),
        ]
    return [
        *found,
        Column("diversity", "variety", lambda s: f"{s[other]['diversity']:.2f}", _diverse(other)),
        Column("novelty", "variety", lambda s: f"{s[other]['novelty']['median']:.2f}", _novel(other)),
        Column("seconds", "variety", lambda s: _plain(s["seconds"])),
        Column("CLIP", "variety", lambda s: _clip(s["clip"])),
    ]


def _identity(scores: Scores, real: Scores) -> float:  # noqa: ARG001 - one signature
    return float(scores["identity"]["z"]["value"])


def _at(scores: Scores, path: tuple[str, ...]) -> Any:
    for key in path:
        scores = scores[key]
    return scores


def interval(found: dict[str, float], digits: int = 1) -> str:
    value, low, high = (f"{found[end]:z.{digits}f}" for end in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _interval(*path: str | int) -> Callable[[Scores], str]:
    digits = path[-1] if isinstance(path[-1], int) else 2
    keys = tuple(key for key in path if isinstance(key, str))
    return lambda scores: interval(_at(scores, keys), digits)


def _inside(*path: str) -> Callable[[Scores], str]:
    def say(scores: Scores) -> str:
        found = _at(scores, path)
        return f"{found['inside']:.0%} ({found['below']:.0%} ↓ {found['above']:.0%} ↑)"

    return say


def _natural(*path: str) -> Callable[[Scores, Scores], float]:
    """As many inside the range as of real images is as good as can be."""
    return lambda scores, real: min(_at(scores, path)["inside"], _at(real, path)["inside"])


def _mean(judge: str) -> Callable[[Scores, Scores], float]:
    return lambda scores, real: -max(scores[judge]["mean"]["value"], 0.0)  # noqa: ARG005 - one signature


def _near(judge: str) -> Callable[[Scores, Scores], float]:
    term = (judge, "covariance", "value")
    return lambda scores, real: -abs(_at(scores, term) - _at(real, term))


def _contrast(layer: str) -> Callable[[Scores, Scores], float]:
    return lambda scores, real: -abs(scores["paths"][layer]["value"] - 1)  # noqa: ARG005 - one signature


def _diverse(judge: str) -> Callable[[Scores, Scores], float]:
    return lambda scores, real: -abs(scores[judge]["diversity"] - real[judge]["diversity"])


def _novel(judge: str) -> Callable[[Scores, Scores], float]:
    return lambda scores, real: min(scores[judge]["novelty"]["median"], real[judge]["novelty"]["median"])


def _plain(seconds: float) -> str:
    return "—" if math.isnan(seconds) else f"{seconds:.1f}"


def _clip(found: Scores) -> str:
    return "—" if "skipped" in found else f"{found['accuracy']:.0%}"


def merits_of(results: dict[str, Scores], column: Column) -> dict[str, float]:
    """How good each entry is in a column; what is not known is worst."""
    if column.merit is None:
        return {}
    found = {name: column.merit(scores, results[REAL]) for name, scores in results.items()}
    return {name: -math.inf if math.isnan(value) else value for name, value in found.items()}


def winners(results: dict[str, Scores], kinds: dict[str, str], known: list[Column]) -> list[Scores]:
    """For each column the best recipe, and who of the others does at least as well."""
    recipes = [name for name in results if kinds[name] == "recipe"]
    found = []
    for column in known:
        merits = merits_of(results, column)
        if not merits:
            continue
        best = max(recipes, key=lambda name: merits[name])
        won = {
            kind: [n for n in results if kinds[n] == kind and merits[n] >= merits[best]]
            for kind in ("floor", "control", "shown")
        }
        found.append({"column": column.name, "best": best, **won})
    return found


def front(results: dict[str, Scores], kinds: dict[str, str], known: list[Column]) -> list[str]:
    """The recipes that no other recipe beats, over the columns that no trivial entry wins."""
    fair = {row["column"] for row in winners(results, kinds, known) if not row["floor"]}
    merits = [merits_of(results, column) for column in known if column.name in fair]
    places = {n: [column[n] for column in merits] for n in results if kinds[n] == "recipe"}

    def beats(ours: list[float], theirs: list[float]) -> bool:
        return ours != theirs and all(a >= b for a, b in zip(ours, theirs, strict=True))

    return [n for n, place in places.items() if not any(beats(other, place) for other in places.values())]


def markdown(head: list[str], rows: dict[str, list[str]], corner: str = "pictures") -> str:
    lines = [f"| {corner} | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    return "\n".join([*lines, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items())])


def report(results: dict[str, Scores], kinds: dict[str, str], track: Track) -> str:
    """All tables of a track in Markdown."""
    known, parts = columns(track), [f"## {track.network}"]
    for group in dict.fromkeys(column.group for column in known):
        shown = [column for column in known if column.group == group]
        rows = {
            _name(n, kinds, _fewer(n, results, track)): [column.say(s) for column in shown]
            for n, s in results.items()
        }
        parts.append(f"{group[0].upper()}{group[1:]}\n\n{markdown([c.name for c in shown], rows)}")
    verdicts = {
        row["column"]: [
            f"`{row['best']}`",
            *(", ".join(row[k]) or "—" for k in ("floor", "control", "shown")),
        ]
        for row in winners(results, kinds, known)
    }
    head = ["best recipe", "trivial entries that do as well", "controls that do", "other photographs"]
    parts.append(f"Who wins\n\n{markdown(head, verdicts, 'column')}")
    names = ", ".join(f"`{name}`" for name in front(results, kinds, known))
    parts.append(f"On the Pareto front of the columns that no trivial entry wins: {names}.")
    skipped = {s["clip"]["skipped"] for s in results.values() if "skipped" in s["clip"]}
    return "\n\n".join([*parts, *(f"CLIP was not asked: {reason}." for reason in sorted(skipped))]) + "\n"


def _fewer(name: str, results: dict[str, Scores], track: Track) -> str:
    """How many pictures a class an entry has, where others have more."""
    counts = {n: len(scores["identity"]["each"]) for n, scores in results.items()}
    return f" ({counts[name] // track.units} a class)" if counts[name] < max(counts.values()) else ""


def _name(name: str, kinds: dict[str, str], fewer: str) -> str:
    return (f"`{name}`" if kinds[name] in ("recipe", "control") else name) + fewer
