"""Listeners walked from nothing to ranking through the real API, every slate checked for every promise."""

import math
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate.domain.track import FEATURES
from palate.testing.catalog import small_catalog
from palate.v1 import (
    feedback_pb2,
    feedback_pb2_grpc,
    profile_pb2,
    profile_pb2_grpc,
    recommendation_pb2,
    recommendation_pb2_grpc,
)

LIKE, DISLIKE = feedback_pb2.VERDICT_LIKE, feedback_pb2.VERDICT_DISLIKE
Serve = Callable[..., str]
Slate = recommendation_pb2.RecommendResponse


class Listener:
    """One listener at the API, who remembers what they rated and checks every slate that they get."""

    def __init__(self, channel: grpc.Channel, catalog: Catalog) -> None:
        self.user_id = f"listener-{uuid.uuid4().hex}"
        self.rated: dict[str, feedback_pb2.Verdict.ValueType] = {}
        self.catalog = catalog
        self.recommendations = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        self.feedback = feedback_pb2_grpc.FeedbackServiceStub(channel)
        self.profiles = profile_pb2_grpc.ProfileServiceStub(channel)

    def rate(self, track_id: str, verdict: feedback_pb2.Verdict.ValueType) -> feedback_pb2.RecordFeedbackResponse:
        """Like or dislike a track."""
        self.rated[track_id] = verdict
        request = feedback_pb2.RecordFeedbackRequest(
            user_id=self.user_id, track_id=track_id, verdict=verdict, request_id=uuid.uuid4().hex
        )
        return self.feedback.RecordFeedback(request)

    def profile(self) -> profile_pb2.Profile:
        """Return the profile."""
        return self.profiles.GetProfile(profile_pb2.GetProfileRequest(user_id=self.user_id)).profile

    def slate(
        self, page_size: int = 10, page_token: str = "", excluded: Sequence[str] = (), strategy: str = ""
    ) -> Slate:
        """Get a slate that keeps every promise."""
        request = recommendation_pb2.RecommendRequest(
            user_id=self.user_id,
            page_size=page_size,
            page_token=page_token,
            strategy=strategy,
            exclude_track_ids=excluded,
        )
        slate = self.recommendations.Recommend(request)
        again = self.recommendations.Recommend(request)
        assert slate == again, "nothing has changed, so the slate may not"
        self.check(slate, page_size, excluded)
        return slate

    def check(self, slate: Slate, page_size: int, excluded: Sequence[str]) -> None:
        """Check what holds for every slate."""
        track_ids = [item.track_id for item in slate.items]
        assert 0 < len(track_ids) <= page_size
        assert len(set(track_ids)) == len(track_ids), "no track twice"
        assert set() == set(track_ids) & set(self.rated), "nothing that was rated"
        assert set() == set(track_ids) & set(excluded), "nothing that was excluded"
        rows = self.catalog.rows(track_ids)
        assert set() == set(self.catalog.cluster[rows].tolist()) & self.catalog.excluded_clusters
        artists = Counter(self.catalog.main_artist[rows].tolist())
        assert math.ceil(page_size / 10) >= max(artists.values()), "one track of an artist for every ten"
        assert slate.recommendation_id
        assert self.catalog.version == slate.catalog_version
        for item in slate.items:
            assert item.reason.sentence
            assert item.reason.kind != recommendation_pb2.REASON_KIND_UNSPECIFIED
            assert 0 < item.propensity <= 1
            assert not item.reason.nearest_liked_track_id or self.rated[item.reason.nearest_liked_track_id] == LIKE

    def likes_of(self, cluster_id: str, count: int) -> list[str]:
        """Return tracks of a cluster to like."""
        number = self.catalog.cluster_number(cluster_id)
        assert number is not None
        return self.catalog.track_ids(self.catalog.popular(number)[:count])


@pytest.fixture
def listener(channel: grpc.Channel, catalog: Catalog) -> Listener:
    """Return a listener whom the server has never seen."""
    return Listener(channel, catalog)


THREE = ("extreme-metal", "j-pop", "latin-dance")


def test_a_listener_of_three_tastes_climbs_from_cold_start_to_ranking(listener: Listener) -> None:
    """Each stage is reached in turn, and ranking serves all three tastes and nothing else."""
    stages = [listener.slate().strategy]
    for turn in range(4):
        for cluster_id in THREE:
            answer = listener.rate(listener.likes_of(cluster_id, 4)[turn], LIKE)
            assert cluster_id == answer.taste_id
            stages.append(listener.slate().strategy)
    assert ["cold_start", "fallback", "ranking"] == list(dict.fromkeys(stages))
    slate = listener.slate(page_size=30)
    served = Counter(item.taste_id for item in slate.items)
    assert set(THREE) == set(served)
    assert 8 <= min(served.values()), "equal tastes get about equal shares"
    for item in slate.items:
        cluster = listener.catalog.clusters[listener.catalog.cluster[listener.catalog.rows([item.track_id])[0]]]
        assert item.taste_id == cluster.cluster_id, "a taste's slots hold tracks of its own cluster"
    assert set(THREE) == {taste.taste_id for taste in listener.profile().tastes}


def test_a_listener_of_one_taste_is_served_that_taste(listener: Listener) -> None:
    """With one taste there is no share for others once ranking is reached."""
    for track_id in listener.likes_of("extreme-metal", 6):
        listener.rate(track_id, LIKE)
        listener.slate()
    slate = listener.slate(page_size=20)
    assert "ranking" == slate.strategy
    assert {"extreme-metal"} == {item.taste_id for item in slate.items}


def test_a_small_slate_still_has_a_slot_for_each_active_taste(listener: Listener) -> None:
    """A dominant taste does not starve the others."""
    for cluster_id, likes in zip(THREE, (20, 2, 2), strict=True):
        for track_id in listener.likes_of(cluster_id, likes):
            listener.rate(track_id, LIKE)
    assert set(THREE) == {item.taste_id for item in listener.slate(page_size=5).items}


def test_fifty_dislikes_in_one_taste_leave_the_others_untouched(listener: Listener) -> None:
    """Tastes are isolated: the others answer with the very same bytes."""
    for cluster_id in THREE:
        for track_id in listener.likes_of(cluster_id, 3):
            listener.rate(track_id, LIKE)
    before = {taste.taste_id: taste.SerializeToString() for taste in listener.profile().tastes}
    for track_id in listener.likes_of("extreme-metal", 53)[3:]:
        listener.rate(track_id, DISLIKE)
    after = {taste.taste_id: taste for taste in listener.profile().tastes}
    assert 50 == after["extreme-metal"].dislikes
    for untouched in ("j-pop", "latin-dance"):
        assert before[untouched] == after[untouched].SerializeToString()


def test_pages_go_on_where_the_last_one_stopped(listener: Listener) -> None:
    """Six pages hold sixty different tracks, though the profile changes on the way."""
    for cluster_id in THREE:
        for track_id in listener.likes_of(cluster_id, 2):
            listener.rate(track_id, LIKE)
    seen: list[str] = []
    token = ""
    for _ in range(6):
        page = listener.slate(page_token=token)
        seen += [item.track_id for item in page.items]
        token = page.next_page_token
        listener.rate(page.items[0].track_id, LIKE)
    assert 60 == len(set(seen))


def paged(listener: Listener) -> list[str]:
    """Return the tracks of all pages, from the first one to the one without a token, which may be empty."""
    request = recommendation_pb2.RecommendRequest(user_id=listener.user_id, page_size=100)
    track_ids: list[str] = []
    while not track_ids or request.page_token:
        page = listener.recommendations.Recommend(request)
        track_ids += [item.track_id for item in page.items]
        request.page_token = page.next_page_token
    return track_ids


def test_a_chain_of_pages_ends_after_a_thousand_tracks(listener: Listener) -> None:
    """The catalog has more; the last page has no token, and no track came twice."""
    track_ids = paged(listener)
    assert (1_000, 1_000) == (len(track_ids), len(set(track_ids)))


def test_a_small_catalog_can_be_paged_to_its_end(serve: Serve, tmp_path: Path) -> None:
    """Every track that may be recommended comes, each once."""
    path = tmp_path / "small.arrow"
    with small_catalog(path, tracks_per_cluster=40) as catalog:
        with grpc.insecure_channel(serve(catalog__path=path)) as channel:
            track_ids = paged(Listener(channel, catalog))
        allowed = np.flatnonzero(~np.isin(catalog.cluster, list(catalog.excluded_clusters))).astype(np.int32)
        assert sorted(catalog.track_ids(allowed)) == sorted(track_ids)


def test_a_page_that_is_short_for_want_of_other_artists_is_not_the_last(listener: Listener, catalog: Catalog) -> None:
    """Whoever asks on gets every track that is left, though each page has one of an artist at the most."""
    allowed = np.flatnonzero(~np.isin(catalog.cluster, list(catalog.excluded_clusters)))
    busiest = np.bincount(catalog.main_artist[allowed]).argmax()
    wanted = set(catalog.track_ids(allowed[catalog.main_artist[allowed] == busiest].astype(np.int32)))
    request = recommendation_pb2.RecommendRequest(user_id=listener.user_id)
    request.exclude_track_ids.extend(set(catalog.track_ids(np.arange(len(catalog), dtype=np.int32))) - wanted)
    seen: list[str] = []
    while not seen or request.page_token:
        page = listener.recommendations.Recommend(request)
        seen += [item.track_id for item in page.items]
        request.page_token = page.next_page_token
    assert 1 < len(wanted)
    assert sorted(wanted) == sorted(seen)


def test_different_listeners_see_different_cold_starts(channel: grpc.Channel, catalog: Catalog) -> None:
    """Nobody's first slate is everybody's."""
    slates = {tuple(item.track_id for item in Listener(channel, catalog).slate().items) for _ in range(20)}
    assert 20 == len(slates)


def test_ten_thousand_excluded_tracks_are_left_out(listener: Listener, catalog: Catalog) -> None:
    """The largest list that is allowed works, and unknown identifiers in it do no harm."""
    known = catalog.track_ids(catalog.rows([]))
    excluded = [item.track_id for item in listener.slate(page_size=100).items]
    excluded += [f"unknown-{number}" for number in range(10_000 - len(excluded))] + known
    assert 10 == len(listener.slate(excluded=excluded).items)


def test_feedback_counts_in_the_very_next_slate(listener: Listener) -> None:
    """What was just liked or disliked is gone at once."""
    for _ in range(15):
        top = listener.slate().items[0]
        listener.rate(top.track_id, LIKE)
        listener.slate()


def test_a_changed_mind_and_a_retraction_leave_no_trace(listener: Listener) -> None:
    """A like after a dislike counts as the like alone; a retraction as nothing."""
    first, second = listener.likes_of("j-pop", 2)
    listener.rate(first, LIKE)
    wanted = listener.profile().tastes[0]
    listener.rate(second, DISLIKE)
    listener.rate(second, LIKE)
    listener.feedback.RetractFeedback(feedback_pb2.RetractFeedbackRequest(user_id=listener.user_id, track_id=second))
    got = listener.profile().tastes[0]
    wanted.revision = got.revision
    assert wanted == got
    assert 1 == listener.profile().interaction_count


def test_the_same_request_id_is_answered_the_same_and_counts_once(listener: Listener) -> None:
    """A retry after a lost answer does no harm."""
    request = feedback_pb2.RecordFeedbackRequest(
        user_id=listener.user_id, track_id=listener.likes_of("j-pop", 1)[0], verdict=LIKE, request_id="once"
    )
    answers = {listener.feedback.RecordFeedback(request).SerializeToString() for _ in range(3)}
    assert 1 == len(answers)
    assert 1 == listener.profile().revision


def test_a_deleted_taste_stays_away_until_a_new_like(listener: Listener) -> None:
    """Its tracks are not recommended again, count for nothing, and a new like opens it anew."""
    tracks = listener.likes_of("j-pop", 4)
    for track_id in tracks[:3]:
        listener.rate(track_id, LIKE)
    delete = profile_pb2.DeleteTasteRequest(user_id=listener.user_id, taste_id="j-pop")
    listener.profiles.DeleteTaste(delete)
    assert [] == list(listener.profile().tastes)
    listener.slate(page_size=100)
    listener.rate(tracks[0], DISLIKE)
    listener.rate(tracks[3], LIKE)
    [taste] = listener.profile().tastes
    assert (1, 1) == (taste.likes, taste.dislikes)


def test_a_deleted_profile_is_gone(listener: Listener) -> None:
    """Everything that was stored about the listener is deleted, and they start anew."""
    before = listener.slate().items[0]
    listener.rate(before.track_id, LIKE)
    listener.slate()
    listener.profiles.DeleteProfile(profile_pb2.DeleteProfileRequest(user_id=listener.user_id))
    with pytest.raises(grpc.RpcError) as caught:
        listener.profile()
    assert grpc.StatusCode.NOT_FOUND == caught.value.code()
    listener.rated.clear()
    assert "cold_start" == listener.slate().strategy
    listener.rate(listener.likes_of("j-pop", 1)[0], LIKE)
    assert 1 == listener.profile().revision


def test_rank_puts_the_listeners_kind_of_music_first(listener: Listener) -> None:
    """Somebody else's candidates are ordered by the stage that the listener has reached."""
    for track_id in listener.likes_of("extreme-metal", 8):
        listener.rate(track_id, LIKE)
    metal = listener.likes_of("extreme-metal", 18)[8:]
    other = [track_id for cluster_id in ("latin-dance", "j-pop") for track_id in listener.likes_of(cluster_id, 10)]
    ranking = listener.recommendations.Rank(
        recommendation_pb2.RankRequest(user_id=listener.user_id, track_ids=other + metal)
    )
    assert "ranking" == ranking.strategy
    assert 9 <= len(set(metal) & {item.track_id for item in ranking.items[:10]}), "all but one outlier at the most"
    scores = [item.score for item in ranking.items]
    assert sorted(scores, reverse=True) == scores
    assert sorted(other + metal) == sorted(item.track_id for item in ranking.items)


@pytest.mark.parametrize("strategy", ["cold_start", "fallback", "ranking"])
def test_rank_puts_what_was_disliked_last_whatever_the_strategy(listener: Listener, strategy: str) -> None:
    """A track that sounds like all that was liked is last once it was disliked, until that is taken back."""
    liked = listener.likes_of("extreme-metal", 10)
    for track_id in liked[:8]:
        listener.rate(track_id, LIKE)
    other = listener.likes_of("latin-dance", 5)
    request = recommendation_pb2.RankRequest(
        user_id=listener.user_id, track_ids=[*liked[8:], *other], strategy=strategy
    )
    before = {item.track_id: item.score for item in listener.recommendations.Rank(request).items}
    listener.rate(liked[8], DISLIKE)
    items = listener.recommendations.Rank(request).items
    assert liked[8] == items[-1].track_id
    assert min(item.score for item in items[:-1]) >= items[-1].score
    scores = [item.score for item in items]
    assert sorted(scores, reverse=True) == scores
    retraction = feedback_pb2.RetractFeedbackRequest(user_id=listener.user_id, track_id=liked[8])
    listener.feedback.RetractFeedback(retraction)
    assert before == {item.track_id: item.score for item in listener.recommendations.Rank(request).items}


def test_rank_orders_what_was_disliked_as_ever_where_there_is_nothing_else(listener: Listener) -> None:
    """Scores are lowered only below those of other tracks."""
    track_ids = listener.likes_of("j-pop", 4)
    request = recommendation_pb2.RankRequest(user_id=listener.user_id, track_ids=track_ids, strategy="cold_start")
    before = listener.recommendations.Rank(request).items
    for track_id in track_ids:
        listener.rate(track_id, DISLIKE)
    after = listener.recommendations.Rank(request).items
    assert [(item.track_id, item.score) for item in before] == [(item.track_id, item.score) for item in after]


def test_rank_names_what_the_catalog_lacks(listener: Listener) -> None:
    """An unknown track fails the call by name, unless the caller allows for it."""
    known = listener.likes_of("j-pop", 2)
    request = recommendation_pb2.RankRequest(user_id=listener.user_id, track_ids=[known[0], "nothing", known[1]])
    with pytest.raises(grpc.RpcError) as caught:
        listener.recommendations.Rank(request)
    assert grpc.StatusCode.NOT_FOUND == caught.value.code()
    request.allow_missing = True
    ranking = listener.recommendations.Rank(request)
    assert ["nothing"] == list(ranking.missing_track_ids)
    assert set(known) == {item.track_id for item in ranking.items}


def test_a_profile_of_many_ratings_is_served_like_any_other(listener: Listener, catalog: Catalog) -> None:
    """Somebody who has rated nearly everything still gets what is left, and nothing else."""
    usable = [row for row in range(len(catalog)) if int(catalog.cluster[row]) not in catalog.excluded_clusters]
    track_ids = [catalog.track_id(row) for row in usable[:-40]]
    for start in range(0, len(track_ids), 1_000):
        requests = [
            feedback_pb2.RecordFeedbackRequest(
                user_id=listener.user_id, track_id=track_id, verdict=LIKE if number % 3 else DISLIKE
            )
            for number, track_id in enumerate(track_ids[start : start + 1_000])
        ]
        listener.feedback.BatchRecordFeedback(feedback_pb2.BatchRecordFeedbackRequest(requests=requests))
        listener.rated |= {request.track_id: request.verdict for request in requests}
    assert len(track_ids) == listener.profile().interaction_count
    assert 10 <= len(listener.slate(page_size=20).items)


def test_an_export_holds_the_profile_and_the_whole_log(listener: Listener) -> None:
    """A listener can be told everything that is stored about them."""
    tracks = listener.likes_of("j-pop", 3)
    for track_id in tracks:
        listener.rate(track_id, LIKE)
    listener.feedback.RetractFeedback(feedback_pb2.RetractFeedbackRequest(user_id=listener.user_id, track_id=tracks[0]))
    parts = list(listener.profiles.ExportProfile(profile_pb2.ExportProfileRequest(user_id=listener.user_id)))
    assert listener.profile() == parts[0].profile
    assert [1, 2, 3, 4] == [part.event.revision for part in parts[1:]]
    assert profile_pb2.FEEDBACK_KIND_RETRACT == parts[4].event.kind
    assert tracks[0] == parts[4].event.track_id
    assert (False, []) == (parts[4].event.HasField("features"), list(parts[4].event.genres))
    for part in parts[1:4]:
        track = listener.catalog.track(int(listener.catalog.rows([part.event.track_id])[0]))
        assert list(track.genres) == list(part.event.genres)
        assert track.features == tuple(getattr(part.event.features, feature) for feature in FEATURES)
