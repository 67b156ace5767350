"""Small pictures of counts, drawn as SVG that takes the page's own colours."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, Final

#: Stands in the drawing where the page's text colour is to go.
_INK: Final = "#010203"
#: Bars that can be told apart on white and on black, also by eyes that see no red or green.
_COLOURS: Final = ("#3b82c4", "#e0903c")

Counts = Mapping[tuple[str, str], int]


def available() -> bool:
    """Whether the libraries that draw are installed: the extra ``report``.

    >>> available() in (True, False)
    True
    """
    return all(importlib.util.find_spec(name) for name in ("altair", "vl_convert"))


def across(counts: Counts, series: Sequence[str]) -> str:
    """Bars that lie, the longest first: for a few names.

    Args:
        counts: (name, series) to count.
        series: the series in the order of their colours, at most two.

    Returns:
        An SVG element.

    >>> across({("deleted", "tweets"): 12}, ["tweets"]).startswith("<svg") if available() else True
    True
    """
    import altair as alt

    names = len({name for name, _ in counts})
    drawn = _bars(counts, series).encode(
        x=alt.X("sum(count):Q", title=None, axis=alt.Axis(tickCount=5, format=",d", tickMinStep=1)),
        y=alt.Y("name:N", title=None, sort="-x", axis=alt.Axis(minExtent=90)),
    )
    return _svg(drawn.properties(width=600, height=26 * names))


def along(counts: Counts, series: Sequence[str]) -> str:
    """Bars that stand, in the order of their names: for dates.

    Args:
        counts: (date, series) to count.
        series: the series in the order of their colours, at most two.

    Returns:
        An SVG element.

    >>> along({("2024-05-01", "dropped"): 3}, ["dropped"]).startswith("<svg") if available() else True
    True
    """
    import altair as alt

    names = sorted({name for name, _ in counts})
    every = -(-len(names) // 12)  # a label for each bar would be a smear
    drawn = _bars(counts, series).encode(
        x=alt.X("name:O", title=None, axis=alt.Axis(values=names[::every], labelAngle=-40, labelOverlap=False)),
        y=alt.Y("sum(count):Q", title=None, axis=alt.Axis(tickCount=4, format=",d", tickMinStep=1)),
    )
    return _svg(drawn.properties(width=720, height=180))


def _bars(counts: Counts, series: Sequence[str]) -> Any:
    import altair as alt

    values = [{"name": name, "series": kind, "count": count} for (name, kind), count in counts.items()]
    colour = alt.Color(
        "series:N",
        scale=alt.Scale(domain=list(series), range=list(_COLOURS)),
        legend=alt.Legend(title=None, orient="top") if len(series) > 1 else None,
    )
    order = alt.Order("series:N", sort="descending" if list(series) != sorted(series) else "ascending")
    return alt.Chart(alt.InlineData(values)).mark_bar().encode(color=colour, order=order)


def _svg(chart: Any) -> str:
    """The drawing as an element for the page: no ground of its own, ink in the colour of the text around it."""
    import vl_convert

    dressed = chart.configure(background="transparent", font="system-ui, sans-serif").configure_view(stroke=None)
    dressed = dressed.configure_axis(
        labelColor=_INK, labelFontSize=12, gridColor=_INK, gridOpacity=0.12, domainOpacity=0.4, domainColor=_INK,
        ticks=False, labelPadding=6, labelLimit=260,
    ).configure_legend(labelColor=_INK, labelFontSize=12, symbolType="square")  # fmt: skip
    drawing: str = vl_convert.vegalite_to_svg(dressed.to_dict())
    return drawing.replace(_INK, "currentColor")
