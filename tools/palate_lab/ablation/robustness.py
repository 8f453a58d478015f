"""Does it hold where labels are wrong, tastes are cut wrongly, and what is one taste's stay out of another's."""

from collections.abc import Callable
from typing import Final

import numpy as np
from palate.v1 import feedback_pb2, profile_pb2
from palate_tools.simulation.chance import Draws

from palate_lab.ablation.cases import Case, Verdict, judge
from palate_lab.ablation.effects import SEPARATED
from palate_lab.ablation.evidence import Evidence
from palate_lab.ablation.lists import ActiveTastes, Palate, draw_up, user_id
from palate_lab.comparison.baselines import PerTaste, Recommender
from palate_lab.comparison.baselines.per_taste import Assign
from palate_lab.comparison.intervals import mean_interval, paired_difference

__all__ = ["isolation", "mistakes", "placebo", "tastes_found"]

_DISLIKES: Final = 50
_SPOILED: Final = "spoiled"
"""A population of its own, whose profiles are not what its labels make them once isolation was tested."""

_FOUND: Final = 0.8


def placebo(evidence: Evidence) -> Verdict:
    """Assign tracks to tastes by chance."""
    base, apart = evidence.apart.merged, evidence.apart.apart
    merged, real = evidence.of(base, SEPARATED).worst, evidence.of(apart, SEPARATED).worst
    by_chance = evidence.of(_assigned(evidence, _by_chance(evidence)), SEPARATED).worst
    gain = paired_difference(by_chance, merged, evidence.seed)
    lost = paired_difference(real, by_chance, evidence.seed)
    return Verdict(
        4,
        "Does the gain vanish when tastes are assigned at random?",
        "With as many tastes of the same sizes, but at random, the gain over merged in worst-taste recall is not above "
        "zero, and real tastes are better than random ones with an interval above zero.",
        not gain.above_zero and lost.above_zero,
        {"random tastes less merged": str(gain), "real tastes less random ones": str(lost)},
    )


def _assigned(evidence: Evidence, assign: Assign) -> Recommender:
    """Return what keeps tastes apart best, with tastes that are cut in another way."""
    catalog = evidence.world.catalog
    return ActiveTastes(catalog, PerTaste(catalog, evidence.apart.merged, assign), assign)


def _by_chance(evidence: Evidence) -> Assign:
    """Return an assignment of tracks to the same clusters in the same numbers, at random."""
    assigned = np.random.default_rng(evidence.seed).permutation(evidence.world.catalog.cluster.astype(np.int64))
    return lambda rows: assigned[rows]


def isolation(evidence: Evidence) -> Verdict:
    """Dislike fifty tracks of one taste and look at the bytes of the others."""
    changed, judged = 0, 0
    for case in evidence.populations[_SPOILED]:
        before = evidence.palate.profile(_SPOILED, case)
        hated = before.tastes[0].taste_id
        _dislike(evidence.palate, case, hated)
        others, after = _others(before, hated), _others(evidence.palate.profile(_SPOILED, case), hated)
        judged += len(others)
        changed += sum(after[taste_id] != others[taste_id] for taste_id in others)
    return Verdict(
        5,
        "Do dislikes in one taste leave the others alone?",
        f"After {_DISLIKES} dislikes in a listener's strongest taste, every other taste has the same bytes.",
        changed == 0 and judged > 0,
        {"other tastes": str(judged), "of them changed": str(changed)},
    )


def _others(profile: profile_pb2.Profile, taste_id: str) -> dict[str, bytes]:
    return {
        taste.taste_id: taste.SerializeToString(deterministic=True)
        for taste in profile.tastes
        if taste.taste_id != taste_id
    }


def _dislike(palate: Palate, case: Case, taste_id: str) -> None:
    catalog = palate.world.catalog
    own = np.flatnonzero(catalog.cluster == catalog.cluster_number(taste_id)).astype(np.int32)
    fresh = np.setdiff1d(own, case.history.rows)[:_DISLIKES]
    palate.client.batch_record_feedback(
        feedback_pb2.RecordFeedbackRequest(
            user_id=user_id(_SPOILED, case), track_id=track_id, verdict=feedback_pb2.VERDICT_DISLIKE
        )
        for track_id in catalog.track_ids(fresh)
    )


def mistakes(evidence: Evidence) -> Verdict:
    """Turn labels round, and cut tastes wrongly."""
    base = evidence.merged.merged
    gains = {}
    for rate in ("0.1", "0.2"):
        ours, merged = evidence.of_palate(f"mislabelled {rate}"), evidence.of(base, f"mislabelled {rate}")
        gains[f"palate less merged, {float(rate):.0%} mislabelled"] = paired_difference(
            ours.worst, merged.worst, evidence.seed
        )
    merged, cases = evidence.of(base, SEPARATED), evidence.populations[SEPARATED]
    cuts: dict[str, Callable[[Evidence, Case], Assign]] = {
        "one taste too many": _cut_in_two,
        "one taste too few": _thrown_together,
    }
    for name, cut in cuts.items():
        lists = [draw_up(_assigned(evidence, cut(evidence, case)), [case])[0] for case in cases]
        apart = judge(lists, cases)
        gains[f"per taste less merged, {name}"] = paired_difference(apart.worst, merged.worst, evidence.seed)
    return Verdict(
        6,
        "With wrong labels, and a taste too many or too few?",
        "In worst-taste recall every gain over the best merged way is above zero with its interval: "
        "palate's with wrong labels, that of the best way per taste with tastes cut wrongly.",
        all(gain.above_zero for gain in gains.values()),
        {name: str(gain) for name, gain in gains.items()},
    )


def _cut_in_two(evidence: Evidence, case: Case) -> Assign:
    """Return an assignment that takes one of a listener's tastes for two, by chance."""
    catalog, first = evidence.world.catalog, case.subject.listener.tastes[0].cluster_id
    halves = Draws(case.subject.listener.seed, "cut").uniforms(evidence.world.tracks.track_id) < 0.5  # noqa: PLR2004 - a half
    assigned = catalog.cluster.astype(np.int64)
    assigned[halves & (catalog.cluster == catalog.cluster_number(first))] = len(catalog.clusters)
    return lambda rows: assigned[rows]


def _thrown_together(evidence: Evidence, case: Case) -> Assign:
    """Return an assignment that takes two of a listener's tastes for one."""
    catalog = evidence.world.catalog
    names = [taste.cluster_id for taste in case.subject.listener.tastes[:2]]
    assigned = catalog.cluster.astype(np.int64)
    assigned[np.isin(evidence.world.tracks.cluster_id, names)] = len(catalog.clusters)
    return lambda rows: assigned[rows]


def tastes_found(evidence: Evidence) -> Verdict:
    """Compare the tastes that palate holds to be active with those that listeners have."""
    agreement, found, declared = [], [], []
    for case in evidence.populations[SEPARATED]:
        profile = evidence.palate.profile(SEPARATED, case)
        active = {taste.taste_id for taste in profile.tastes if taste.state == profile_pb2.TASTE_STATE_ACTIVE}
        wanted = {taste.cluster_id for taste in case.subject.listener.tastes}
        agreement.append(2 * len(active & wanted) / (len(active) + len(wanted)))
        found.append(len(active & wanted) / len(wanted))
        declared.append(len(active & wanted) / max(len(active), 1))
    f1 = mean_interval(agreement, evidence.seed)
    return Verdict(
        7,
        "Are the tastes found those that listeners have?",
        f"The mean F1 of active tastes against declared ones is at least {_FOUND}.",
        f1.value >= _FOUND,
        {
            "F1": str(f1),
            "share of the declared that is active": str(mean_interval(found, evidence.seed)),
            "share of the active that is declared": str(mean_interval(declared, evidence.seed)),
        },
    )
