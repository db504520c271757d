"""The digest's chart as a PNG (step 6): open amount by age above, opened against resolved below. Pure.

Mail clients draw no SVG and some turn colours round in the dark, so it is a picture on a ground of its own, at twice
its size on the page. It repeats in colours what the words beside it say; nothing stands in it alone.
"""

from functools import lru_cache
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from notifiers.story.digest_text import Ages, Flow, Told

WIDTH = 544  # of the page; shown on screens at twice that
SHOWN, DRAWN = 2, 4  # pixels to one of the page: drawn finer than shown, so that curves are smooth
_FONTS = Path(__file__).parent / "fonts"
GROUND, INK, SOFT, LINE = "#f3f5f8", "#18202a", "#4d5866", "#d3dae2"
OPENED, RESOLVED = "#c2572b", "#2b7f62"
AGE_TONES = ("#9db8d6", "#6f98c4", "#4179b1", "#c98a2e", "#b8412f")  # calm to alarming; lightness differs too
PADDING = 22
BAR_TOP, BAR_STEP, BAR_HEIGHT = 62, 34, 18
FLOW_HEIGHT = 124  # both sides of the axis

Point = tuple[float, float]


def draw(told: Told) -> bytes | None:
    """The chart; None when there is nothing to show in it."""
    ages = told.ages[0] if told.ages else None
    flow = told.flow if any(told.flow.totals) else None
    return _drawn(ages, flow) if ages or flow else None


def height_of(told: Told) -> int:
    """Height on the page, in the same pixels as WIDTH."""
    ages = told.ages[0] if told.ages else None
    return _ages_height(ages) + (_flow_height() if any(told.flow.totals) else 0)


@lru_cache(maxsize=8)  # many recipients of one digest get the same picture
def _drawn(ages: Ages | None, flow: Flow | None) -> bytes:
    canvas = _Canvas(_ages_height(ages) + (_flow_height() if flow else 0))
    if ages is not None:
        _draw_ages(canvas, ages)
    if flow is not None:
        _draw_flow(canvas, flow, _ages_height(ages))
    return canvas.png()


class _Canvas:
    """Drawing in the page's pixels."""

    def __init__(self, height: int) -> None:
        self._image = Image.new("RGB", (WIDTH * DRAWN, height * DRAWN), GROUND)
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self, at: Point, text: str, size: float, *, fill: str = INK, is_bold: bool = False, anchor: str = "ls"
    ) -> None:
        self._draw.text(
            _scaled(at), _drawable(text), fill=fill, font=_font(round(size * DRAWN), is_bold), anchor=anchor
        )

    def width(self, text: str, size: float, *, is_bold: bool = False) -> float:
        return _font(round(size * DRAWN), is_bold).getlength(_drawable(text)) / DRAWN

    def bar(self, left: float, top: float, width: float, height: float, fill: str) -> None:
        radius = min(4.0, width / 2, height / 2) * DRAWN
        box = (*_scaled((left, top)), *_scaled((left + width, top + height)))
        self._draw.rounded_rectangle(box, radius=radius, fill=fill)

    def line(self, start: Point, end: Point, fill: str = LINE) -> None:
        self._draw.line((*_scaled(start), *_scaled(end)), fill=fill, width=DRAWN)

    def png(self) -> bytes:
        made = BytesIO()
        shown = self._image.reduce(DRAWN // SHOWN)
        shown.quantize(96).save(made, "PNG", optimize=True)
        return made.getvalue()


def _draw_ages(canvas: _Canvas, ages: Ages) -> None:
    canvas.text((PADDING, 38), ages.title, 17, is_bold=True)
    labels = max(canvas.width(bar.label, 15) for bar in ages.bars)
    amounts = max(canvas.width(bar.short, 15, is_bold=True) for bar in ages.bars)
    left = PADDING + labels + 14
    room = WIDTH - PADDING - amounts - 12 - left
    for place, (bar, tone) in enumerate(zip(ages.bars, AGE_TONES, strict=False)):
        top = BAR_TOP + place * BAR_STEP
        middle = top + BAR_HEIGHT / 2 + 5
        canvas.text((PADDING, middle), bar.label, 15, fill=SOFT)
        canvas.bar(left, top, max(room, 4.0), BAR_HEIGHT, "#e4e9ef")
        if bar.share > 0:
            canvas.bar(left, top, max(room * bar.share, 6.0), BAR_HEIGHT, tone)
        canvas.text((WIDTH - PADDING, middle), bar.short, 15, is_bold=True, anchor="rs")


def _draw_flow(canvas: _Canvas, flow: Flow, top: float) -> None:
    canvas.text((PADDING, top + 34), flow.title, 17, is_bold=True)
    _draw_legend(canvas, flow, top + 60)
    most_up = max(1, *(opened for _, opened, _ in flow.days))
    most_down = max(1, *(resolved for _, _, resolved in flow.days))
    one = FLOW_HEIGHT / (most_up + most_down)
    axis = top + 82 + one * most_up
    step = (WIDTH - 2 * PADDING) / len(flow.days)
    for place, (_, opened, resolved) in enumerate(flow.days):
        left, width = PADDING + place * step + step * 0.16, step * 0.68
        up, down = one * opened, one * resolved
        if opened:
            canvas.bar(left, axis - 2 - max(up, 3), width, max(up, 3), OPENED)
        if resolved:
            canvas.bar(left, axis + 2, width, max(down, 3), RESOLVED)
    canvas.line((PADDING, axis), (WIDTH - PADDING, axis), "#8b97a5")
    bottom = top + 82 + FLOW_HEIGHT + 26
    canvas.text((PADDING, bottom), flow.days[0][0], 14, fill=SOFT)
    canvas.text((WIDTH - PADDING, bottom), flow.days[-1][0], 14, fill=SOFT, anchor="rs")


def _draw_legend(canvas: _Canvas, flow: Flow, baseline: float) -> None:
    left = float(PADDING)
    opened, resolved = flow.totals
    for tone, count, word in ((OPENED, opened, flow.opened), (RESOLVED, resolved, flow.resolved)):
        canvas.bar(left, baseline - 11, 12, 12, tone)
        left += 18
        canvas.text((left, baseline), str(count), 15, is_bold=True)
        left += canvas.width(str(count), 15, is_bold=True) + 5
        canvas.text((left, baseline), word, 15, fill=SOFT)
        left += canvas.width(word, 15) + 20


def _ages_height(ages: Ages | None) -> int:
    return 0 if ages is None else BAR_TOP + len(ages.bars) * BAR_STEP + 6


def _flow_height() -> int:
    return 82 + FLOW_HEIGHT + 26 + 18


def _scaled(at: Point) -> Point:
    return at[0] * DRAWN, at[1] * DRAWN


def _drawable(text: str) -> str:
    """Spaces that do not break, and narrow ones, are spaces to the eye; the font has no sign for them."""
    return " ".join(text.split())


@lru_cache(maxsize=16)
def _font(size: int, is_bold: bool) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONTS / f"Inter-{'SemiBold' if is_bold else 'Regular'}.otf", size)
