"""Does keeping tastes apart help, by how much, and when not."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from palate_lab.ablation.cases import Figures, Verdict, judge
from palate_lab.ablation.evidence import IMBALANCES, SEPARATIONS, Evidence
from palate_lab.ablation.lists import ActiveTastes, draw_up_diverse
from palate_lab.comparison.baselines import PerTaste, SharedSlots
from palate_lab.comparison.intervals import Interval, mean_interval, paired_difference, paired_ratio

__all__ = ["criterion", "dose", "equal_tuning", "factorial", "slope"]

SEPARATED: Final = "separation 1.0"
"""Listeners whose three tastes are as far apart as there are any."""

_BEST: Final = "merged, the best way"
_DIVERSE: Final = "the same, as diverse as palate"
_KEPT: Final = 0.99
"""Share of the NDCG of merging that must be kept."""


def factorial(evidence: Evidence) -> Verdict:
    """Tell what separate tastes and shared slots each do, and what diversity alone would do."""
    catalog, base = evidence.world.catalog, evidence.apart.merged
    cases, best = evidence.populations[SEPARATED], evidence.merged.merged
    lists = evidence.palate.draw_up(SEPARATED, cases)
    ways = {
        "merged, best score": evidence.of(base, SEPARATED),
        "merged, shared slots": evidence.of(ActiveTastes(catalog, SharedSlots(catalog, base)), SEPARATED),
        "per taste, best score": evidence.of(
            ActiveTastes(catalog, PerTaste(catalog, base, shared_slots=False)), SEPARATED
        ),
        "per taste, shared slots": evidence.of(evidence.apart.apart, SEPARATED),
        _BEST: evidence.of(best, SEPARATED),
        _DIVERSE: judge(draw_up_diverse(best, evidence.space, cases, lists), cases),
        "palate": judge(lists, cases),
    }
    ours = ways["palate"].worst
    gains = {name: paired_difference(ours, ways[name].worst, evidence.seed) for name in (_BEST, _DIVERSE)}
    return Verdict(
        1,
        "Is it the tastes, or the slots, or only diversity?",
        "For listeners of three separate tastes, palate's worst-taste recall is above that of the best merged way, and "
        "above that of the same re-ranked until its list is as diverse as palate's: both intervals above zero.",
        all(gain.above_zero for gain in gains.values()),
        {f"worst taste, {name}": _mean(figures.worst, evidence) for name, figures in ways.items()}
        | {f"NDCG, {name}": _mean(figures.ndcg, evidence) for name, figures in ways.items()}
        | {f"palate less {name}": str(gain) for name, gain in gains.items()},
    )


def equal_tuning(evidence: Evidence) -> Verdict:
    """Give merging and keeping apart the same verdicts, the same grid and the same listeners to tune on."""
    merged, apart = evidence.of(evidence.merged.merged, "mixed"), evidence.of(evidence.apart.apart, "mixed")
    gain = paired_difference(apart.worst, merged.worst, evidence.seed)
    return Verdict(
        2,
        "With equal labels and equal tuning?",
        "The best of twenty ways per taste is above the best of the same twenty merged in worst-taste recall, "
        "with an interval above zero, for listeners of all kinds that neither was tuned on.",
        gain.above_zero,
        {
            f"worst taste, merged ({evidence.merged.name})": _mean(merged.worst, evidence),
            f"worst taste, per taste ({evidence.apart.name})": _mean(apart.worst, evidence),
            "per taste less merged": str(gain),
            "NDCG, per taste by merged": str(paired_ratio(apart.ndcg, merged.ndcg, evidence.seed)),
        },
    )


def dose(evidence: Evidence) -> Verdict:
    """Tell how the gain grows with separation and imbalance, and whether those of one taste pay for it."""
    by_separation = {value: _gain(evidence, f"separation {value}") for value in SEPARATIONS}
    by_imbalance = {value: _gain(evidence, f"larger {value}") for value in IMBALANCES}
    ours, merged = evidence.of_palate("one taste"), evidence.of(evidence.merged.merged, "one taste")
    kept, sure = paired_ratio(ours.ndcg, merged.ndcg, evidence.seed), evidence.of_sure("one taste")
    more = slope(by_separation, evidence.seed)
    return Verdict(
        3,
        "More gain the further apart, and no harm to listeners of one taste?",
        "The gain in worst-taste recall over the best merged way rises with separation, its slope's interval above "
        "zero; for listeners of one taste NDCG is no more than 1 % lower.",
        more.above_zero and kept.value >= _KEPT,
        {f"gain at separation {value}": _mean(gain, evidence) for value, gain in by_separation.items()}
        | {"slope over separation": str(more)}
        | {f"gain where one taste is {value:.0%}": _mean(gain, evidence) for value, gain in by_imbalance.items()}
        | {
            "one taste, NDCG, palate by merged": str(kept),
            "the same, exploring nothing": str(paired_ratio(sure.ndcg, merged.ndcg, evidence.seed)),
        },
    )


def criterion(evidence: Evidence) -> Verdict:
    """Judge palate as it is by what was laid down for it."""
    ours, merged = evidence.of_palate("mixed"), evidence.of(evidence.merged.merged, "mixed")
    gain = paired_difference(ours.worst, merged.worst, evidence.seed)
    kept, sure = paired_ratio(ours.ndcg, merged.ndcg, evidence.seed), evidence.of_sure("mixed")
    return Verdict(
        8,
        "Does palate as it is serve the worst-served taste better, at no cost?",
        "For listeners of all kinds that hold still, worst-taste recall is above that of the best merged way with an "
        "interval above zero, and NDCG is no more than 1 % lower.",
        gain.above_zero and kept.value >= _KEPT,
        {
            "worst taste, palate": _mean(ours.worst, evidence),
            "worst taste, merged": _mean(merged.worst, evidence),
            "palate less merged": str(gain),
            "NDCG, palate": _mean(ours.ndcg, evidence),
            "NDCG, merged": _mean(merged.ndcg, evidence),
            "NDCG, palate by merged": str(kept),
            "palate less merged, exploring nothing": str(paired_difference(sure.worst, merged.worst, evidence.seed)),
            "NDCG, palate by merged, exploring nothing": str(paired_ratio(sure.ndcg, merged.ndcg, evidence.seed)),
        },
    )


def _gain(evidence: Evidence, population: str) -> NDArray[np.float64]:
    ours: Figures = evidence.of_palate(population)
    gain: NDArray[np.float64] = ours.worst - evidence.of(evidence.merged.merged, population).worst
    return gain


def slope(gains: Mapping[float, NDArray[np.float64]], seed: int) -> Interval:
    """Return how much the gain rises from dose 0 to dose 1: the mean over listeners of what each adds to the slope."""
    centred = np.array(list(gains)) - np.mean(list(gains))
    weights = centred / (centred @ centred) * len(gains)
    parts = [weight * gain for weight, gain in zip(weights, gains.values(), strict=True)]
    return mean_interval(np.concatenate(parts), seed)


def _mean(values: NDArray[np.float64], evidence: Evidence) -> str:
    return str(mean_interval(values, evidence.seed))
