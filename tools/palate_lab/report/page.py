"""Writes pictures to a folder: each as PNG, and all of them on one page that needs nothing else."""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from palate import __version__
from palate.errors import ConfigError

from palate_lab.report.album import SECTIONS, Omitted, Picture
from palate_lab.report.theme import in_theme, name_stage
from palate_lab.report.values import Listener

__all__ = ["PAGE", "write_report"]

PAGE: Final = "report.html"
_DPI: Final = 144
_CSS_DPI: Final = 96
_LIBRARIES: Final = ("matplotlib", "numpy", "scikit-learn", "lightgbm")


@dataclass(frozen=True, slots=True)
class _Shown:
    """A picture on the page."""

    section: str
    name: str
    source: str
    width: int
    height: int
    alt: str
    caption: str


def write_report(listener: Listener, album: Iterable[Picture | Omitted], folder: Path) -> Path:
    """Write the page and a PNG file for each picture; return the page's path.

    The same pictures give the same bytes.

    Raises:
        ConfigError: When the folder cannot be written.
    """
    shown, omitted = [], []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one in album:
            if isinstance(one, Omitted):
                omitted.append(one)
            else:
                shown.append(_write(one, folder))
        page = folder / PAGE
        page.write_text(_html(listener, shown, omitted), encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror}); name another folder with --out") from error
    return page


def _write(picture: Picture, folder: Path) -> _Shown:
    with in_theme():
        figure = picture.draw()
        (folder / f"{picture.name}.png").write_bytes(_saved(figure, "png"))
        encoded = base64.b64encode(_saved(figure, "svg")).decode("ascii")
    width, height = (round(inches * _CSS_DPI) for inches in figure.get_size_inches().tolist())
    source = f"data:image/svg+xml;base64,{encoded}"
    return _Shown(picture.section, picture.name, source, width, height, picture.alt, picture.caption)


def _saved(figure: Figure, form: str) -> bytes:
    target = io.BytesIO()
    undated = {"Date": None} if form == "svg" else {}
    figure.savefig(target, format=form, dpi=_DPI, metadata=undated)
    return target.getvalue()


def _html(listener: Listener, shown: list[_Shown], omitted: list[Omitted]) -> str:
    environment = Environment(
        loader=PackageLoader("palate_lab.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        listener=listener,
        stage=name_stage(listener.stage),
        sections=[(name, [one for one in shown if one.section == name]) for name in SECTIONS],
        omitted=omitted,
        version=__version__,
        libraries=[(name, version(name)) for name in _LIBRARIES],
    )
