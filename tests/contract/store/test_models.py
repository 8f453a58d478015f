"""What every store promises about models. Ana has one like in a taste for metal when a test begins."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from math import inf

import pytest
from palate.domain.apply import replay
from palate.domain.profile import EventKind
from palate.errors import NotFound, StoreUnavailable
from palate.store import open_store
from palate.store.contract import Metric, ModelState, ServingVersion, Store
from support.factories import make_feature_map, record
from support.models import like, make_artifact, make_record, make_run, publish, reject
from support.processes import in_processes, publish_forever, publish_some, until_killed

SERVING, RETIRED, REJECTED, BROKEN = ModelState


def models_revision(store: Store) -> int:
    """Return the revision of ana's models."""
    header = store.header("ana")
    assert header is not None
    return header.models_revision


def serving(store: Store) -> str:
    """Return the version that serves ana's metal."""
    return store.models.serving_versions("ana")["metal"].version


def states(store: Store) -> dict[str, ModelState]:
    """Return the state of every model of ana's, by version."""
    return {made.version: made.state for made in store.models.records("ana", limit=999)}


def delete(store: Store) -> None:
    """Delete ana's profile."""
    with store.transaction() as transaction:
        assert transaction.delete("ana")


def delete_taste(store: Store) -> None:
    """Delete ana's metal."""
    with store.transaction() as transaction:
        record(transaction, "ana", EventKind.DELETE_TASTE, taste_id="metal")


def open_taste_again(store: Store) -> None:
    """Delete ana's metal and like some again."""
    delete_taste(store)
    like(store)


def create_again(store: Store) -> None:
    """Delete ana's profile and create another one, with as many events at the same time."""
    delete(store)
    like(store)
    like(store)


@pytest.fixture(autouse=True)
def ana(store: Store) -> None:
    """Record a like."""
    like(store)


def test_nothing_is_known_of_a_listener_without_models(store: Store) -> None:
    """Reads find nothing and raise nothing."""
    models = store.models
    assert {} == models.serving_versions("ana") == models.serving_versions("who")
    assert {} == models.last_runs("ana")
    assert (None, None) == (models.record("1"), models.artifact("1"))
    assert ([], [], []) == (list(models.records()), list(models.records("ana")), list(models.runs()))
    assert 0 == models_revision(store)


def test_a_published_model_comes_back_as_it_was(store: Store) -> None:
    """Every field of the record, the artifact to the last byte, the run, and a serving version that names them."""
    metrics = (Metric("auc", 0.1 + 0.2, 1 / 3, -inf), Metric("log_loss 日本", 0.0, 1e-300, 2.5))
    made = make_record("1", metrics=metrics, learner="lear'ner %s", label_count=2**40)
    artifact = bytes(range(256)) * 400
    run = make_run(store, made)
    assert "" == store.models.publish(made, artifact, run)
    assert made == store.models.record("1")
    assert artifact == store.models.artifact("1")
    assert {"metal": ServingVersion("metal", "1", made.learner, made.sha256)} == store.models.serving_versions("ana")
    assert [run] == list(store.models.runs())


def test_a_reason_may_quote_any_character(store: Store) -> None:
    """What a library says of a broken file can hold anything; a NUL character becomes visible."""
    publish(store, "1")
    store.models.mark_broken("1", "bad node 'a\0b'")
    store.models.log_run(make_run(store, make_record("2"), reason="\0 日本"))
    broken = store.models.record("1")
    assert broken is not None
    assert ("bad node 'a␀b'", "␀ 日本") == (broken.reason, store.models.last_runs("ana")["metal"].reason)


def test_a_metric_that_is_not_a_number_stays_so(store: Store) -> None:
    """Without a model in service there is nothing to compare with."""
    publish(store, "1", metrics=(Metric("auc", 0.75, 0.5),))
    made = store.models.record("1")
    assert made is not None
    assert "nan" == repr(made.metrics[0].serving_value)


def test_every_swap_shows_in_the_header_and_feedback_does_not(store: Store) -> None:
    """The revision of the models grows with each publication, withdrawal and rollback, and with nothing else."""
    seen = [models_revision(store)]
    for swap in (
        lambda: publish(store, "1"),
        lambda: publish(store, "2"),
        lambda: store.models.rollback("ana", "metal"),
        lambda: store.models.withdraw(make_run(store, make_record("w"))),
    ):
        swap()
        seen.append(models_revision(store))
        like(store)
        reject(store, f"rejected {len(seen)}")
        assert seen[-1] == models_revision(store)
    store.models.mark_broken("1", "its hash is wrong")
    assert seen[-1] == models_revision(store)
    assert sorted(set(seen)) == seen


def test_a_profile_that_is_replayed_keeps_its_models(store: Store) -> None:
    """Another feature map changes the tastes, not what serves them nor the revision of the models."""
    publish(store, "1")
    publish(store, "2")
    profile = replay("ana", store.events("ana"), make_feature_map(1))
    with store.transaction() as transaction:
        transaction.replace(profile, make_feature_map(1).fingerprint)
    assert 2 == models_revision(store)
    assert "2" == serving(store)


def test_a_new_model_retires_the_one_before(store: Store) -> None:
    """The serving version names both, so that the one before can serve while the new one cannot be loaded."""
    publish(store, "1")
    publish(store, "2")
    serving_version = store.models.serving_versions("ana")["metal"]
    assert ("2", "1") == (serving_version.version, serving_version.previous)
    assert {"1": RETIRED, "2": SERVING} == states(store)


def test_tastes_and_listeners_are_served_apart(store: Store) -> None:
    """Each taste has a serving version of its own, and so has the listener's common model."""
    like(store, "ana", "latin")
    like(store, "ben", "metal")
    for version, user_id, taste_id in (("1", "ana", "metal"), ("2", "ana", ""), ("3", "ben", "metal")):
        assert "" == publish(store, version, user_id=user_id, taste_id=taste_id)
    publish(store, "4", taste_id="latin", labels_revision=2)
    serving_versions = store.models.serving_versions("ana")
    assert {"metal": "1", "": "2", "latin": "4"} == {
        name: serving_version.version for name, serving_version in serving_versions.items()
    }
    assert [""] * 3 == [serving_version.previous for serving_version in serving_versions.values()]
    assert ["3"] == [serving_version.version for serving_version in store.models.serving_versions("ben").values()]


def test_a_rejected_model_never_serves(store: Store) -> None:
    """It is on record with its reason, which its run shares, and what served before serves on."""
    publish(store, "1")
    before = store.header("ana")
    reject(store, "2")
    assert before == store.header("ana")
    assert "1" == serving(store)
    rejected = store.models.record("2")
    assert rejected is not None
    assert (REJECTED, "ranking is better") == (rejected.state, rejected.reason)
    assert ["ranking is better", ""] == [run.reason for run in store.models.runs("ana")]
    assert make_artifact("2") == store.models.artifact("2")


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [
        (lambda store: store.models.pin("3", pinned=True), "3, is pinned"),
        (lambda store: publish(store, "4", labels_revision=2), "quicker: .* 4, is newer"),
        (lambda store: publish(store, "6", labels_revision=1), "quicker: .* 6, is newer"),
        (delete_taste, "deleted meanwhile"),
        (open_taste_again, "deleted and opened again"),
    ],
    ids=["pinned", "later labels", "later model", "taste deleted", "taste opened again"],
)
def test_a_model_that_comes_too_late_is_rejected(
    store: Store, meanwhile: Callable[[Store], object], reason: str
) -> None:
    """Whatever happened while it was trained stands, and the record and the run say why."""
    like(store)
    publish(store, "3")
    meanwhile(store)
    header, serving_versions = store.header("ana"), store.models.serving_versions("ana")
    refusal = publish(store, "5", labels_revision=1)
    assert (header, serving_versions) == (store.header("ana"), store.models.serving_versions("ana"))
    rejected = store.models.record("5")
    assert rejected is not None
    assert (REJECTED, refusal) == (rejected.state, rejected.reason)
    assert {"5": refusal} == {run.model_version: run.reason for run in store.models.runs() if run.reason}
    assert re.search(reason, refusal)


def test_a_profile_with_fewer_events_than_the_labels_is_another_one(store: Store) -> None:
    """Whatever the clocks of trainer and server say."""
    assert "created again" in publish(store, "1", labels_revision=2)


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [(delete, "profile was deleted meanwhile"), (create_again, "profile was deleted and created again")],
    ids=["deleted", "created again"],
)
def test_nothing_that_was_learned_from_a_deleted_profile_is_written(
    store: Store, meanwhile: Callable[[Store], object], reason: str
) -> None:
    """Neither a model, nor its record, nor a run: what was deleted stays deleted."""
    like(store)
    made = make_record("1", labels_revision=2)
    run = make_run(store, made)
    meanwhile(store)
    header = store.header("ana")
    assert reason in store.models.publish(made, make_artifact("1"), run)
    assert reason in store.models.withdraw(run)
    store.models.reject(made, make_artifact("1"), run)
    store.models.log_run(run)
    assert ([], []) == (list(store.models.records("ana")), list(store.models.runs("ana")))
    assert ({}, header) == (store.models.serving_versions("ana"), store.header("ana"))


def test_a_deleted_profile_is_gone_with_its_models(store: Store) -> None:
    """Serving versions, records, artifacts and runs of one listener go, and nothing of another."""
    like(store, "ben")
    for version, user_id in enumerate(("ana", "ben", "ana", "ben")):
        publish(store, str(version), user_id=user_id)
    others = store.header("ben"), store.models.serving_versions("ben"), store.models.records("ben")
    delete(store)
    assert ({}, {}) == (store.models.serving_versions("ana"), store.models.last_runs("ana"))
    assert ([], []) == (list(store.models.records("ana")), list(store.models.runs("ana")))
    assert [None, None] == [store.models.artifact(version) for version in "02"]
    assert others == (store.header("ben"), store.models.serving_versions("ben"), store.models.records("ben"))
    assert [make_artifact("1"), make_artifact("3")] == [store.models.artifact(version) for version in "13"]
    like(store)
    assert 0 == models_revision(store)


def test_a_deleted_taste_is_served_no_longer(store: Store) -> None:
    """Its serving version goes with it; other tastes keep theirs; a new taste of the name starts without."""
    like(store, taste_id="latin")
    publish(store, "1")
    publish(store, "2", taste_id="latin", labels_revision=2)
    before = models_revision(store)
    delete_taste(store)
    assert ["latin"] == list(store.models.serving_versions("ana"))
    assert {"1": RETIRED, "2": SERVING} == states(store)
    assert before < models_revision(store)
    like(store)
    for version in ("", "1"):
        with pytest.raises(NotFound, match="opened again"):
            store.models.rollback("ana", "metal", version)
    assert "" == publish(store, "3", labels_revision=4)
    assert (
        ServingVersion("metal", "3", "logistic", make_record("3").sha256)
        == store.models.serving_versions("ana")["metal"]
    )


def test_a_withdrawn_model_can_be_put_back(store: Store) -> None:
    """Nothing serves the taste meanwhile; the run is on record."""
    publish(store, "1")
    run = make_run(store, make_record("w"), model_version="", reason="ranking is better by now")
    assert "" == store.models.withdraw(run)
    assert {} == store.models.serving_versions("ana")
    assert {"1": RETIRED} == states(store)
    assert {"metal": run} == store.models.last_runs("ana")
    assert "1" == store.models.rollback("ana", "metal").version == serving(store)


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [
        (lambda store: store.models.pin("1", pinned=True), "1, is pinned"),
        (lambda store: publish(store, "2", labels_revision=2), "2, is newer"),
        (delete_taste, "no model"),
    ],
    ids=["pinned", "later labels", "nothing serves"],
)
def test_what_may_not_be_withdrawn_stays(store: Store, meanwhile: Callable[[Store], object], reason: str) -> None:
    """The run says why."""
    like(store)
    publish(store, "1")
    meanwhile(store)
    header, serving_versions = store.header("ana"), store.models.serving_versions("ana")
    refusal = store.models.withdraw(make_run(store, make_record("w"), labels_revision=1))
    assert reason in refusal
    assert (header, serving_versions) == (store.header("ana"), store.models.serving_versions("ana"))
    assert refusal == store.models.last_runs("ana")["metal"].reason


def test_a_broken_model_is_marked_once_and_replaced_by_the_next(store: Store) -> None:
    """Its serving version stays; its successor falls back to the last one that worked; it is never retired."""
    publish(store, "1")
    publish(store, "2")
    serving_versions = store.models.serving_versions("ana")
    store.models.mark_broken("2", "its hash is wrong")
    store.models.mark_broken("2", "again")
    assert serving_versions == store.models.serving_versions("ana")
    broken = store.models.record("2")
    assert broken is not None
    assert (BROKEN, "its hash is wrong") == (broken.state, broken.reason)
    publish(store, "3")
    assert ("3", "1") == (serving(store), store.models.serving_versions("ana")["metal"].previous)
    assert {"1": RETIRED, "2": BROKEN, "3": SERVING} == states(store)


def test_only_what_serves_or_served_can_break(store: Store) -> None:
    """A rejected model keeps its reason, and an unknown one is none of the store's business."""
    reject(store, "1")
    store.models.mark_broken("1", "its hash is wrong")
    store.models.mark_broken("unknown", "its hash is wrong")
    assert {"1": REJECTED} == states(store)


def test_a_rollback_goes_back_one_model_after_the_other(store: Store) -> None:
    """A model that was rolled back from is not gone back to unless it is named."""
    for version in "1234":
        publish(store, version)
    assert make_record("3") == store.models.rollback("ana", "metal") == store.models.record("3")
    assert ("3", "2") == (serving(store), store.models.serving_versions("ana")["metal"].previous)
    publish(store, "5")
    assert ["3", "2", "1"] == [store.models.rollback("ana", "metal").version for _ in range(3)]
    with pytest.raises(NotFound, match=r"ana/metal.*no earlier"):
        store.models.rollback("ana", "metal")
    assert {"1": SERVING, "2": RETIRED, "3": RETIRED, "4": RETIRED, "5": RETIRED} == states(store)
    assert "4" == store.models.rollback("ana", "metal", "4").version == serving(store)


def test_a_rollback_passes_over_what_is_broken(store: Store) -> None:
    """The one that served before is no way back when it could not be loaded either."""
    for version in "123":
        publish(store, version)
    store.models.mark_broken("2", "its hash is wrong")
    assert "1" == store.models.rollback("ana", "metal").version == serving(store)
    assert {"1": SERVING, "2": BROKEN, "3": RETIRED} == states(store)


def test_rolling_back_to_what_serves_changes_nothing(store: Store) -> None:
    """A call that is repeated does no harm when it names the version."""
    publish(store, "1")
    publish(store, "2")
    before = store.header("ana"), store.models.serving_versions("ana")
    assert make_record("2") == store.models.rollback("ana", "metal", "2")
    assert before == (store.header("ana"), store.models.serving_versions("ana"))


@pytest.mark.parametrize(
    ("user_id", "taste_id", "version", "why"),
    [
        ("ana", "metal", "unknown", "there is no model 'unknown'"),
        ("ana", "latin", "1", "there is no model '1'"),
        ("ben", "metal", "1", "there is no model '1'"),
        ("ana", "metal", "rejected", "is rejected"),
        ("ana", "metal", "broken", "is broken"),
        ("ana", "latin", "", "no earlier one"),
    ],
)
def test_what_cannot_be_rolled_back_to_is_not_found(
    store: Store, user_id: str, taste_id: str, version: str, why: str
) -> None:
    """The error says why, and nothing changes."""
    publish(store, "1")
    publish(store, "broken")
    store.models.mark_broken("broken", "its hash is wrong")
    reject(store, "rejected")
    before = store.header("ana"), states(store)
    with pytest.raises(NotFound, match=why):
        store.models.rollback(user_id, taste_id, version)
    assert before == (store.header("ana"), states(store))


def test_old_artifacts_go_and_their_records_stay(store: Store) -> None:
    """Each taste retains a few models to roll back to; the error says when a file was deleted."""
    like(store, taste_id="latin")
    assert "" == publish(store, "0", taste_id="latin", labels_revision=2)
    versions = [str(number) for number in range(10, 30)]
    for version in versions:
        assert "" == publish(store, version)
    retained = [version for version in versions if store.models.artifact(version) is not None]
    assert versions[-len(retained) :] == retained
    assert 2 <= len(retained) <= 6
    assert len(versions) == len(store.models.records("ana", "metal"))
    assert make_record("10", state=RETIRED) == store.models.record("10")
    with pytest.raises(NotFound, match=r"'10' .*its file was deleted"):
        store.models.rollback("ana", "metal", "10")
    assert make_artifact("0") == store.models.artifact("0")


def test_rejected_models_do_not_displace_those_to_roll_back_to(store: Store) -> None:
    """However many do not win, what serves and what served before keep their artifacts."""
    for version in "123":
        publish(store, version)
    store.models.mark_broken("3", "its hash is wrong")
    for number in range(10):
        reject(store, f"9{number}")
    assert ["1", "2", "3", "99"] == [
        made.version for made in reversed(store.models.records()) if store.models.artifact(made.version)
    ]


def test_a_pinned_model_keeps_its_artifact(store: Store) -> None:
    """An operator who pins a model means to go back to it."""
    publish(store, "10")
    assert replace(make_record("10"), pinned=True) == store.models.pin("10", pinned=True)
    store.models.pin("10", pinned=False)
    publish(store, "11")
    store.models.pin("10", pinned=True)
    for number in range(12, 30):
        assert "" == publish(store, str(number))
    assert "10" == store.models.rollback("ana", "metal", "10").version
    assert "is pinned" in publish(store, "30")


def test_an_unknown_model_cannot_be_pinned(store: Store) -> None:
    """The error names it."""
    with pytest.raises(NotFound, match="'1'"):
        store.models.pin("1", pinned=True)


def test_models_are_listed_newest_first_page_by_page(store: Store) -> None:
    """Of all listeners or one, of all tastes or one, the common model's included."""
    like(store, taste_id="latin")
    like(store, "ben")
    for number, (user_id, taste_id) in enumerate(
        [("ana", "metal"), ("ana", "latin"), ("ana", ""), ("ben", "metal")] * 3
    ):
        publish(store, f"{number:02}", user_id=user_id, taste_id=taste_id)
    records = store.models.records

    def versions(*arguments: object, **named: object) -> list[str]:
        return [made.version for made in records(*arguments, **named)]  # type: ignore[arg-type] # passed through

    assert [f"{number:02}" for number in range(11, -1, -1)] == versions()
    assert ["10", "09", "08", "06", "05", "04", "02", "01", "00"] == versions("ana")
    assert ["09", "05", "01"] == versions("ana", "latin")
    assert ["10", "06", "02"] == versions("ana", "")
    assert ["11", "08", "07", "04", "03", "00"] == versions(taste_id="metal")
    assert ["05"] == versions("ana", "latin", before="09", limit=1)
    assert ["08", "06"] == versions("ana", before="09", limit=2)
    assert ["02", "01", "00"] == versions(before="03")
    assert [] == versions(before="00")


def test_runs_are_listed_newest_first_page_by_page(store: Store) -> None:
    """Of all listeners or one; the last of each taste is found in one read."""
    like(store, "ben")
    for number, (user_id, taste_id) in enumerate([("ana", "metal"), ("ana", ""), ("ben", "metal")] * 2):
        made = make_record("", user_id=user_id, taste_id=taste_id)
        store.models.log_run(make_run(store, made, run_id=str(number), reason="only likes"))
    runs = store.models.runs
    assert list("543210") == [run.run_id for run in runs()]
    assert list("4310") == [run.run_id for run in runs("ana")]
    assert ["3"] == [run.run_id for run in runs("ana", before="4", limit=1)]
    assert ["1", "0"] == [run.run_id for run in runs(before="2")]
    assert {"metal": "3", "": "4"} == {name: run.run_id for name, run in store.models.last_runs("ana").items()}
    assert ["only likes"] * 6 == [run.reason for run in runs()]


def test_what_is_on_record_already_is_refused(store: Store) -> None:
    """A repeated version or run_id raises ValueError and undoes the whole publication."""
    publish(store, "1")
    before = store.header("ana"), store.models.records(), store.models.runs()
    made = make_record("2")
    with pytest.raises(ValueError, match="already"):
        publish(store, "1")
    with pytest.raises(ValueError, match="already"):
        store.models.publish(made, b"", make_run(store, made, run_id="run 1"))
    with pytest.raises(ValueError, match="already"):
        store.models.log_run(make_run(store, made, run_id="run 1"))
    assert before == (store.header("ana"), store.models.records(), store.models.runs())
    assert None is store.models.artifact("2")


@pytest.mark.parametrize("order", ["12", "21"])
def test_of_two_trainers_with_the_same_labels_the_later_model_wins(store: Store, order: str) -> None:
    """The order in which they come to publish does not matter."""
    for version in order:
        publish(store, version)
    assert "2" == serving(store)


def test_of_trainers_at_once_one_wins_and_none_breaks(store_url: str, store: Store) -> None:
    """Trainers in two processes publish for one taste: each model is on record, and the last one serves."""
    in_processes(publish_some, store_url, "a", "b")
    assert 40 == len(store.models.records("ana")) == len(store.models.runs("ana"))
    assert [serving(store)] == [version for version, state in states(store).items() if state is SERVING]
    assert "19 b" == serving(store)


def test_a_swap_is_seen_whole(store: Store) -> None:
    """A serving version that is read during swaps has its artifact, and the header tells of each swap."""

    def swap() -> None:
        for number in range(60):
            publish(store, f"{number:02}")

    with ThreadPoolExecutor(1) as pool:
        swapping = pool.submit(swap)
        while not swapping.done():
            before = store.header("ana")
            serving_versions = store.models.serving_versions("ana")
            for serving_version in serving_versions.values():
                artifact = store.models.artifact(serving_version.version)
                if artifact is None:  # so many swaps since that it was deleted
                    assert serving_version.version < serving(store)
                else:
                    assert serving_version.sha256 == sha256(artifact).hexdigest()
            assert before is not None
            assert bool(serving_versions) >= bool(before.models_revision)
        swapping.result()
    assert 60 == models_revision(store)


def test_what_was_published_survives_an_abrupt_end(store_url: str) -> None:
    """A trainer that is killed at any moment leaves a whole model serving, and the next run publishes over it."""
    for attempt in range(2):
        acknowledged = until_killed(publish_forever, store_url, f"{attempt}", acknowledgements=20)
        with closing(open_store(store_url)) as store:
            assert set(acknowledged) <= set(states(store))
            serving_version = store.models.serving_versions("ana")["metal"]
            assert acknowledged[-1] <= serving_version.version
            assert make_artifact(serving_version.version) == store.models.artifact(serving_version.version)
            assert [serving_version.version] == [name for name, state in states(store).items() if state is SERVING]
            assert len(store.models.records(limit=999)) == len(store.models.runs(limit=999))
            assert "" == publish(store, f"{attempt} z")


def test_a_store_that_is_locked_while_publishing_is_unavailable(store_url: str, store: Store) -> None:
    """Nothing of the publication is written, reading goes on, and publishing it again works."""
    publish(store, "1")
    with closing(open_store(store_url)) as other, other.transaction():
        with pytest.raises(StoreUnavailable):
            publish(store, "2")
        assert "1" == serving(store)
    assert None is store.models.record("2")
    assert "" == publish(store, "2")
    assert "2" == serving(store)


def test_publishing_and_feedback_follow_one_another(store: Store) -> None:
    """Threads of one process that publish and record lose nothing."""

    def record_likes() -> None:
        for _ in range(20):
            like(store, taste_id="latin")

    with ThreadPoolExecutor(2) as pool:
        recording = pool.submit(record_likes)
        for number in range(20):
            assert "" == publish(store, f"{number:02}")
        recording.result()
    header = store.header("ana")
    assert header is not None
    assert (21, 20) == (header.revision, header.models_revision)
