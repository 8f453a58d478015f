"""Draws the pictures of the architecture: ``python docs/diagrams.py`` writes docs/images/*.svg.

Each picture is a sequence diagram: a column for each thread or process, time from top to bottom. The SVG files follow
the reader's colour scheme and have a background of their own, so that they can be read on any page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Final

IMAGES: Final = Path(__file__).parent / "images"
COLUMN: Final = 166
TOP: Final = 70
STYLE: Final = """
.page{fill:#f7f7f5}.lane{fill:#2f5d8a}.line{stroke:#b9bdc4}.box{fill:#fff;stroke:#2f5d8a}.band{fill:#e6ecf3}
.arrow{stroke:#444b55}.tip{fill:#444b55}text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1d2127}
.head{fill:#fff;font-weight:600;font-size:13px}.say{font-size:12.5px}.file{font-size:10.5px;fill:#5a626d}
.file{font-family:ui-monospace,Menlo,Consolas,monospace}.step{font-weight:700;font-size:12.5px;fill:#2f5d8a}
.bad .box{stroke:#b3402a;stroke-dasharray:5 3}
@media(prefers-color-scheme:dark){.page{fill:#1b1f24}.lane{fill:#3f74a8}.line{stroke:#4a525c}.box{fill:#252b32;stroke:#6ea3d8}
.band{fill:#222a33}.arrow{stroke:#b8c0ca}.tip{fill:#b8c0ca}text{fill:#e6e9ee}.file{fill:#a2abb6}.step{fill:#8fbcec}
.bad .box{stroke:#ff8f75}}
""".replace("\n", "")


@dataclass(frozen=True)
class Message:
    """An arrow from one column to another, with what it carries."""

    source: int
    target: int
    text: str


@dataclass(frozen=True)
class Work:
    """Something that one column does: a box with a sentence and the file where it stands."""

    lane: int
    text: str
    file: str = ""
    bad: bool = False


@dataclass(frozen=True)
class Step:
    """A named part of the picture, on a band of its own."""

    name: str
    parts: tuple[Message | Work, ...]


def sequence(lanes: Sequence[str], steps: Sequence[Step], description: str) -> str:
    """Return a sequence diagram as SVG."""
    margin = 92
    width = margin + COLUMN * len(lanes) + 10
    body: list[str] = []
    y = TOP
    for number, step in enumerate(steps):
        start = y
        y += 12
        drawn: list[str] = []
        for part in step.parts:
            shape, y = _message(part, margin, y) if isinstance(part, Message) else _work(part, margin, y)
            drawn.append(shape)
        y += 6
        if number % 2 == 0:
            body.append(f'<rect class="band" x="6" y="{start}" width="{width - 12}" height="{y - start}" rx="6"/>')
        for line, word in enumerate(wrap(step.name, 11)):
            body.append(f'<text class="step" x="16" y="{start + 28 + 15 * line}">{escape(word)}</text>')
        body += drawn
    height = y + 14
    columns = []
    for number, lane in enumerate(lanes):
        x = margin + COLUMN * number + COLUMN // 2
        columns.append(f'<line class="line" x1="{x}" y1="54" x2="{x}" y2="{height - 10}"/>')
        columns.append(f'<rect class="lane" x="{x - 74}" y="18" width="148" height="36" rx="6"/>')
        columns.append(f'<text class="head" x="{x}" y="41" text-anchor="middle">{escape(lane)}</text>')
    bands = [each for each in body if 'class="band"' in each]
    rest = [each for each in body if 'class="band"' not in each]
    return _svg(width, height, description, [*bands, *columns, *rest])


def _message(message: Message, margin: int, y: int) -> tuple[str, int]:
    start, end = (margin + COLUMN * lane + COLUMN // 2 for lane in (message.source, message.target))
    towards = 1 if end > start else -1
    lines = wrap(message.text, abs(message.target - message.source) * 25 - 2)
    y += 15 * len(lines)
    label = [
        f'<text class="say" x="{(start + end) / 2}" y="{y - 15 * (len(lines) - 1 - number)}" text-anchor="middle">'
        f"{escape(line)}</text>"
        for number, line in enumerate(lines)
    ]
    y += 7
    tip = f"{end},{y} {end - 9 * towards},{y - 4.5} {end - 9 * towards},{y + 4.5}"
    arrow = f'<line class="arrow" x1="{start}" y1="{y}" x2="{end - 8 * towards}" y2="{y}" stroke-width="1.4"/>'
    return "".join([*label, arrow, f'<polygon class="tip" points="{tip}"/>']), y + 10


def _work(work: Work, margin: int, y: int) -> tuple[str, int]:
    x = margin + COLUMN * work.lane + COLUMN // 2
    lines = wrap(work.text, 21)
    files = work.file.split()
    height = 12 + 15 * len(lines) + 13 * len(files)
    shapes = [f'<rect class="box" x="{x - 77}" y="{y}" width="154" height="{height}" rx="5"/>']
    for number, line in enumerate(lines):
        shapes.append(
            f'<text class="say" x="{x}" y="{y + 18 + 15 * number}" text-anchor="middle">{escape(line)}</text>'
        )
    for number, file in enumerate(files):
        place = y + 16 + 15 * len(lines) + 13 * number
        shapes.append(f'<text class="file" x="{x}" y="{place}" text-anchor="middle">{escape(file)}</text>')
    return f'<g class="{"bad" if work.bad else "good"}">{"".join(shapes)}</g>', y + height + 10


def boxes(
    places: Sequence[tuple[str, str, int, int, int]], arrows: Sequence[tuple[int, int, int, int, str]], description: str
) -> str:
    """Return boxes (title, text, x, y, width) and arrows between points, with their labels, as SVG."""
    shapes = []
    bottom = right = 0
    for title, text, x, y, width in places:
        lines = wrap(text, width // 8)
        height = 34 + 16 * len(lines)
        shapes.append(f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="7"/>')
        shapes.append(f'<text class="step" x="{x + 12}" y="{y + 22}">{escape(title)}</text>')
        for number, line in enumerate(lines):
            shapes.append(f'<text class="say" x="{x + 12}" y="{y + 42 + 16 * number}">{escape(line)}</text>')
        bottom, right = max(bottom, y + height), max(right, x + width)
    for x1, y1, x2, y2, label in arrows:
        length = max(((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5, 1)
        ux, uy = (x2 - x1) / length, (y2 - y1) / length
        back = (x2 - 9 * ux, y2 - 9 * uy)
        tip = " ".join(
            f"{a:.1f},{b:.1f}"
            for a, b in [(x2, y2), (back[0] - 4.5 * uy, back[1] + 4.5 * ux), (back[0] + 4.5 * uy, back[1] - 4.5 * ux)]
        )
        shapes.append(
            f'<line class="arrow" x1="{x1}" y1="{y1}" x2="{back[0]:.1f}" y2="{back[1]:.1f}" stroke-width="1.4"/>'
            f'<polygon class="tip" points="{tip}"/>'
        )
        beside = "" if x1 == x2 else 'text-anchor="middle"'
        place = ((x1 + x2) / 2 + 8, (y1 + y2) / 2 + 4) if x1 == x2 else ((x1 + x2) / 2, min(y1, y2) - 8)
        shapes.append(f'<text class="say" x="{place[0]}" y="{place[1]}" {beside}>{escape(label)}</text>')
    return _svg(right + 20, bottom + 20, description, shapes)


def _svg(width: int, height: int, description: str, shapes: Sequence[str]) -> str:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>',
            f"<title>{escape(description)}</title><style>{STYLE}</style>",
            f'<rect class="page" width="{width}" height="{height}" rx="10"/>',
            *shapes,
            "</svg>\n",
        ]
    )


PROCESSES: Final = boxes(
    [
        ("Your services", "Python client, any gRPC client, palate command", 20, 64, 170),
        ("Workers", "processes that share one port; each request: load, resolve, choose, encode", 270, 48, 180),
        ("Catalog file", "read-only, mapped into memory, shared by all", 540, 20, 190),
        ("Store", "feedback log, profiles, models; SQLite or PostgreSQL", 540, 122, 190),
        ("Supervisor", "starts workers, replaces dead ones, serves metrics", 270, 226, 180),
        ("Trainer", "fits, compares, verifies and publishes models", 540, 242, 190),
    ],
    [
        (190, 100, 270, 100, "gRPC"),
        (450, 70, 540, 70, "maps"),
        (450, 140, 540, 140, "reads, writes"),
        (360, 226, 360, 162, "starts"),
        (635, 242, 635, 204, "publishes"),
    ],
    "Backend services call workers over gRPC; workers map the catalog and share the store; the trainer publishes to it",
)

RECOMMEND: Final = sequence(
    ["caller", "event loop", "loader thread", "store"],
    [
        Step(
            "accept",
            (
                Message(0, 1, "Recommend"),
                Work(1, "authenticate, admit, check fields", "rpc/interceptor.py rpc/recommendation.py"),
            ),
        ),
        Step(
            "load",
            (
                Message(1, 3, "one read: the profile's header"),
                Work(1, "answer cached for this header? return its bytes", "serving/recommend.py"),
            ),
        ),
        Step(
            "resolve",
            (
                Message(1, 3, "events since the cached profile, serving versions"),
                Work(1, "apply the events", "serving/profiles.py domain/apply.py"),
                Message(1, 2, "models not open yet"),
                Work(2, "read, verify, open, run once", "models/cache.py"),
                Message(2, 1, "sessions"),
            ),
        ),
        Step(
            "choose",
            (
                Work(
                    1,
                    "highest stage first, stages below fill up; guard third-party answers",
                    "serving/router.py serving/guard.py",
                ),
            ),
        ),
        Step("encode", (Work(1, "slate to bytes, cached", "serving/encode.py"), Message(1, 0, "RecommendResponse"))),
    ],
    "Recommend: accept, load, resolve, choose, encode",
)

FEEDBACK: Final = sequence(
    ["caller", "event loop", "writer thread", "store"],
    [
        Step("convert", (Message(0, 1, "RecordFeedback"), Work(1, "check fields, find the track", "rpc/feedback.py"))),
        Step("queue", (Message(1, 2, "event"), Work(2, "take all queued events", "serving/feedback.py"))),
        Step(
            "write",
            (
                Message(2, 3, "one read per event"),
                Work(2, "apply: changed tastes, rating, revision", "domain/apply.py"),
                Message(2, 3, "log and profiles; commit"),
                Work(3, "returns when the disk has it", "store/sqlite.py store/postgres.py"),
            ),
        ),
        Step("answer", (Message(2, 1, "revision, taste"), Message(1, 0, "RecordFeedbackResponse"))),
    ],
    "RecordFeedback: convert, queue, one grouped durable write, answer",
)

TIMEOUT: Final = sequence(
    ["caller", "event loop", "strategy pool"],
    [
        Step(
            "run",
            (Work(1, "time budget of the stage", "serving/router.py"), Message(1, 2, "third-party strategy")),
        ),
        Step(
            "abandon",
            (
                Work(2, "still computing", "", bad=True),
                Work(1, "time is over: stop waiting", "plugins/isolation.py"),
            ),
        ),
        Step("fall through", (Work(1, "ask the stage below; the slate is degraded", "serving/router.py"),)),
        Step(
            "answer",
            (Message(1, 0, "slate, not cached"), Work(2, "ends later; its answer is dropped", "", bad=True)),
        ),
    ],
    "A third-party strategy runs out of time; the stage below answers",
)

SWAP: Final = sequence(
    ["trainer", "store", "event loop", "loader thread"],
    [
        Step(
            "publish",
            (Message(0, 1, "one transaction"), Work(1, "file, serving version, models_revision", "store/models.py")),
        ),
        Step(
            "notice",
            (
                Message(2, 1, "header"),
                Work(2, "models_revision differs: read serving versions", "serving/profiles.py"),
            ),
        ),
        Step(
            "open",
            (
                Message(2, 3, "open, once"),
                Message(3, 1, "read the file"),
                Work(3, "verify, open, run once", "models/cache.py models/artifact.py models/session.py"),
                Message(3, 2, "session"),
            ),
        ),
        Step("choose", (Work(2, "run the new model over cached candidates", "serving/router.py"),)),
    ],
    "A model swap: publish, notice, open, choose",
)

TRAINING: Final = sequence(
    ["palate train", "job process", "store"],
    [
        Step("find", (Message(0, 2, "who is due?"), Work(0, "one listener after another", "due.py"))),
        Step("distribute", (Work(0, "processes, Ray or Dask", "tasks.py executors.py"), Message(0, 1, "a listener"))),
        Step("collect", (Message(1, 2, "profile"), Work(1, "ratings become labels", "dataset.py"))),
        Step(
            "cross-validate",
            (Work(1, "learners and ranking on the same folds", "fitting.py cross_validation.py calibration.py"),),
        ),
        Step("decide", (Work(1, "challenger against champion and ranking", "promotion.py decision.py"),)),
        Step("export", (Work(1, "write ONNX; compare with the native model", "export.py"),)),
        Step(
            "publish",
            (
                Message(1, 2, "one transaction"),
                Work(1, "or the reason why not", "publishing.py"),
                Message(1, 0, "report"),
            ),
        ),
    ],
    "A training run: find, distribute, collect, cross-validate, decide, export, publish",
)

PICTURES: Final = {
    "processes": PROCESSES,
    "recommend": RECOMMEND,
    "feedback": FEEDBACK,
    "timeout": TIMEOUT,
    "swap": SWAP,
    "training": TRAINING,
}


def main() -> None:
    """Write every picture."""
    for name, picture in PICTURES.items():
        (IMAGES / f"{name}.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
