"""The parts of the console: a list of tracks, the profile, and the line of keys."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from palate.v1 import catalog_pb2, profile_pb2, strategy_pb2
from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from palate_tools.console.profile_view import profile_view
from palate_tools.console.session import Rating
from palate_tools.console.slate_view import Layout, Line, headings, layout_of, track_view

__all__ = ["ProfilePane", "TrackList"]


class TrackList(OptionList):
    """A list of tracks that is drawn anew when its room changes; the line above it names the columns."""

    def __init__(self, above: Static, figure: str, **options: Any) -> None:
        super().__init__(**options)
        self._above = above
        self._figure = figure
        self._tracks: list[Line] = []
        self._clusters: Mapping[str, catalog_pb2.GenreCluster] = {}
        self._layout = Layout.LINE

    @property
    def lines(self) -> Sequence[Line]:
        """The tracks."""
        return self._tracks

    @property
    def current(self) -> Line | None:
        """The track under the cursor."""
        return None if self.highlighted is None else self._tracks[self.highlighted]

    def show(self, lines: Sequence[Line], clusters: Mapping[str, catalog_pb2.GenreCluster]) -> None:
        """Show other tracks, with the cursor on the first."""
        self._tracks, self._clusters = list(lines), clusters
        self._draw()
        self.highlighted = 0 if lines else None

    def mark(self, ratings: Mapping[str, Rating]) -> None:
        """Draw those tracks anew of which the listener thinks something else now.

        Args:
            ratings: The ratings that stand, by track_id.
        """
        for index, line in enumerate(self._tracks):
            rating = ratings.get(line.track.track_id)
            if rating != line.rating:
                self._tracks[index] = replace(line, rating=rating)
                drawn = track_view(self._tracks[index], self._layout, self._clusters)
                self.replace_option_prompt_at_index(index, drawn)

    def on_resize(self, event: events.Resize) -> None:
        """Draw for the room that there is now."""
        layout = layout_of(event.size.width, event.size.height)
        self._above.update(headings(layout, self._figure))
        if layout is not self._layout:
            self._layout = layout
            highlighted = self.highlighted
            self._draw()
            self.highlighted = highlighted

    def _draw(self) -> None:
        self.set_options([Option(track_view(line, self._layout, self._clusters)) for line in self._tracks])


class ProfilePane(VerticalScroll):
    """A listener's confidence, stage and tastes; what the last change moved is marked."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._profile = profile_pb2.Profile()
        self._before = profile_pb2.Profile()
        self._stages: Sequence[strategy_pb2.Strategy] = ()

    def compose(self) -> ComposeResult:
        """Lay out the one drawing that the pane scrolls."""
        yield Static()

    def show(self, profile: profile_pb2.Profile, stages: Sequence[strategy_pb2.Strategy]) -> None:
        """Show a profile; of the same listener, marked against the one shown before."""
        if profile.user_id != self._profile.user_id:
            self._before = profile
        elif profile.revision != self._profile.revision:
            self._before = self._profile
        self._profile, self._stages = profile, stages
        self._draw()

    def on_resize(self) -> None:
        """Draw for the room that there is now."""
        self._draw()

    def _draw(self) -> None:
        width = self.scrollable_content_region.width
        self.query_one(Static).update(profile_view(self._profile, self._before, self._stages, width))


class KeyLine(Footer):
    """Names the keys, as many as there is room for; none is cut."""

    def compose(self) -> ComposeResult:
        """Lay out the keys from the left."""
        room = self.app.size.width
        for key in super().compose():
            named = (str(getattr(key, part, "")) for part in ("key_display", "description"))
            room -= cell_len(" ".join(filter(None, named)))
            if room < 0:
                return
            yield key
            room -= 1
