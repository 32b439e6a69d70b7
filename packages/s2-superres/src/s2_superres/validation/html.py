"""A validation as one HTML file: tables, plots per band, images, and where they come from.

It takes a validation's JSON document and arrays of pictures, and knows nothing
of how they were made. The file needs no other file and no script.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from s2_superres.files.png import encode_png
from s2_superres.validation.table import coverage, digits_of, number

Document = Mapping[str, Any]
Image = NDArray[np.float32]

#: Shown as red, green, blue per resolution: indexes of bands, and how to call them.
_COMPOSITES = {20: ((5, 3, 0), "B12 B8A B05"), 60: ((1, 0, 0), "B09 B01 B01")}
#: Metrics plotted per band: name, and whether the axis ends at 1.
_PLOTTED = (("rmse", False), ("sre", False), ("uiq", True))
_COLOURS = ("#8a94a3", "#0b6fa4", "#d1642a", "#2f8f5b", "#8f5bb5", "#b58a00", "#c2406e", "#4d5a6a")
#: Stops of the error maps' colours, from none to most: dark violet over red to light yellow.
_ERROR_STOPS = np.array(
    [[13, 8, 35], [66, 15, 96], [130, 32, 106], [195, 60, 82], [238, 112, 48], [250, 182, 62],
     [252, 250, 190]],
    np.float32,
)  # fmt: skip
#: Shares of the truth's pixels that become black and white, and of the first method's
#: errors that the scale of all error maps covers.
_STRETCH = (1.0, 99.0)
_ERROR_SHARE = 99.0


class Pictures(Protocol):
    """Squares of one comparison, ``(bands, rows, cols)``: see `validation.Pictures`."""

    @property
    def truth(self) -> Image:
        """The measured bands."""

    @property
    def degraded(self) -> Image:
        """What the methods were given."""

    @property
    def predictions(self) -> Mapping[str, Image]:
        """What they made of it."""


def html_report(document: Document, pictures: Sequence[Pictures | None]) -> str:
    """Return the report.

    Parameters
    ----------
    document : mapping
        As `s2_superres.validation.wald.Validation.to_dict` returns it.
    pictures : sequence of Pictures or None
        One for each of the document's comparisons.
    """
    colours = {
        method["name"]: _COLOURS[index % len(_COLOURS)]
        for index, method in enumerate(document["methods"])
    }
    scenes = document["scenes"]
    title = scenes[0]["name"] if len(scenes) == 1 else f"{len(scenes)} scenes"
    parts = [_summary(document, colours)]
    for comparison, images in zip(document["comparisons"], pictures, strict=True):
        parts.append(_comparison(document, comparison, images, colours))
    parts += [_provenance(document), _reading(document)]
    return (
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n"
        '<meta name=viewport content="width=device-width, initial-scale=1">\n'
        f"<title>Validation of {_text(title)}</title>\n<style>{_STYLE}</style>\n"
        f"<header><p>s2-superres {_text(document['versions']['s2-superres'])}</p>"
        f"<h1>Validation of {_text(title)}</h1>{_lead(document)}</header>\n"
        f"<main>\n{''.join(parts)}</main>\n</html>\n"
    )


def _lead(document: Document) -> str:
    """One sentence a resolution: what is gained over the first method."""
    sentences = []
    for resolution in _resolutions(document):
        means = [m for m in document["means"] if m["resolution"] == resolution]
        first, rest = means[0], [m for m in means[1:] if m["overall"]["rmse"] is not None]
        if not rest or not first["overall"]["rmse"]:
            continue
        best = min(rest, key=lambda mean: float(mean["overall"]["rmse"]))
        share = 1 - best["overall"]["rmse"] / first["overall"]["rmse"]
        sentences.append(
            f"At {resolution} m, <b>{_text(best['method'])}</b> leaves an error of "
            f"<b>{best['overall']['rmse']:.1f} DN</b> where {_text(first['method'])} leaves "
            f"{first['overall']['rmse']:.1f} DN" + (f", {share:.0%} less." if share > 0 else ".")
        )
    return f"<p class=lead>{' '.join(sentences)}</p>" if sentences else ""


def _resolutions(document: Document) -> list[int]:
    return sorted({c["resolution"] for c in document["comparisons"]})


def _summary(document: Document, colours: Mapping[str, str]) -> str:
    """Means over the scenes, and the RMSE of each, where there are several."""
    parts = []
    for resolution in _resolutions(document):
        comparisons = [c for c in document["comparisons"] if c["resolution"] == resolution]
        if len(comparisons) < 2:
            continue
        names = [
            m["name"] for m in document["methods"] if coverage(document, resolution, m["name"])
        ]
        rows = []
        for comparison in comparisons:
            found = {r["method"]: r["overall"]["rmse"] for r in comparison["results"]}
            anchor = _anchor(comparison)
            head = f'<a href="#{anchor}">{_text(comparison["scene"])}</a>'
            rows.append((head, [found.get(name) for name in names]))
        means = {m["method"]: m for m in document["means"] if m["resolution"] == resolution}
        rows.append(("mean", [means[name]["overall"]["rmse"] for name in names]))
        heads = [_swatch(name, colours) for name in names]
        matrix = _table("Scene", heads, rows, [1] * len(rows), best="row", last="mean")
        parts.append(
            f"<section><h2>{resolution} m bands: RMSE in DN by scene</h2>{matrix}"
            f"<h3>Means over the scenes</h3>{_metrics(document, list(means.values()), colours)}"
            "</section>\n"
        )
    return "".join(parts)


def _comparison(
    document: Document,
    comparison: Mapping[str, Any],
    images: Pictures | None,
    colours: Mapping[str, str],
) -> str:
    resolution = comparison["resolution"]
    ratio = resolution // 10
    facts = (
        f"{comparison['level']} · {comparison['rows']} × {comparison['cols']} pixels of "
        f"{resolution} m · degraded to {resolution * ratio} m and restored · "
        f"{comparison['valid_share']:.1%} of the pixels count"
    )
    return (
        f'<section id="{_anchor(comparison)}">'
        f"<h2>{resolution} m bands of {_text(comparison['scene'])}</h2><p class=facts>{facts}</p>"
        f"{_metrics(document, comparison['results'], colours)}"
        f"{_figure(comparison, images) if images is not None else ''}"
        f"<h3>By band</h3>{_legend(comparison, colours)}"
        f"<div class=plots>{''.join(_plots(document, comparison, colours))}</div>"
        f"<details><summary>All metrics by band</summary>"
        f"{_band_tables(document, comparison, colours)}</details></section>\n"
    )


def _metrics(
    document: Document, results: Sequence[Mapping[str, Any]], colours: Mapping[str, str]
) -> str:
    """One row a metric, one column a method."""
    names = [result["method"] for result in results]
    rows, digits, lower = [], [], []
    for name in sorted(document["metrics"], key=_rank):
        metric = document["metrics"][name]
        head = f'<abbr title="{_text(metric["title"])}">{name.upper()}</abbr>'
        unit = f" <small>{_text(metric['unit'])}</small>" if metric["unit"] else ""
        arrow = " <small>↓</small>" if metric["better"] == "lower" else " <small>↑</small>"
        rows.append((head + unit + arrow, [result["overall"].get(name) for result in results]))
        digits.append(digits_of(name))
        lower.append(metric["better"] == "lower")
    if any(result["agreement"] is not None for result in results):
        rows.append(
            (
                "Full scale, degraded, against measured <small>DN</small> <small>↓</small>",
                [result["agreement"] for result in results],
            )
        )
        digits.append(2)
        lower.append(True)
    heads = [_swatch(name, colours) for name in names]
    return _table("", heads, rows, digits, best="row", lower=lower)


def _rank(name: str) -> int:
    order = ("rmse", "sre", "sam", "uiq", "psnr", "ssim", "fsim", "issm")
    return order.index(name) if name in order else len(order)


def _table(
    corner: str,
    heads: Sequence[str],
    rows: Sequence[tuple[str, Sequence[float | None]]],
    digits: Sequence[int],
    *,
    best: str = "",
    lower: Sequence[bool] | None = None,
    last: str = "",
) -> str:
    """Return a table of numbers, the best of each row in bold."""
    lines = [f"<tr><th>{corner}</th>{''.join(f'<th>{head}</th>' for head in heads)}</tr>"]
    for index, (head, values) in enumerate(rows):
        known = [value for value in values if value is not None]
        choose = min if lower is None or lower[index] else max
        winner = choose(known) if best and len(known) > 1 else None
        cells = "".join(
            f"<td{' class=best' if value is not None and value == winner else ''}>"
            f"{number(value, digits[index])}</td>"
            for value in values
        )
        kind = " class=mean" if last and head == last else ""
        lines.append(f"<tr{kind}><th>{head}</th>{cells}</tr>")
    return f"<div class=scroll><table>{''.join(lines)}</table></div>"


def _figure(comparison: Mapping[str, Any], images: Pictures) -> str:
    """Truth, input, every method, and its error, all on the same scales."""
    resolution = comparison["resolution"]
    channels, bands = _COMPOSITES[resolution]
    limits = _limits(images.truth, channels)
    errors = {
        name: np.sqrt(np.mean(np.square(image - images.truth), axis=0))
        for name, image in images.predictions.items()
    }
    largest = _percentile(next(iter(errors.values())), _ERROR_SHARE)
    coarse = resolution * resolution // 10
    ratio = resolution // 10
    repeated = images.degraded.repeat(ratio, axis=1).repeat(ratio, axis=2)
    panels = [
        _panel(_composite(images.truth, channels, limits), f"Truth, measured at {resolution} m"),
        _panel(_composite(repeated, channels, limits), f"Input, degraded to {coarse} m"),
    ]
    scores = {r["method"]: r["overall"]["rmse"] for r in comparison["results"]}
    maps = []
    for name, image in images.predictions.items():
        panels.append(_panel(_composite(image, channels, limits), name))
        score = f" <small>RMSE {number(scores[name], 1)} DN</small>"
        maps.append(_panel(_error_map(errors[name], largest), name, score))
    rows, cols = images.truth.shape[1:]
    colours = ",".join(f"rgb({r:.0f} {g:.0f} {b:.0f})" for r, g, b in _ERROR_STOPS)
    return (
        f"<h3>Images</h3><p class=facts>The central {rows} × {cols} pixels, {bands} as red, "
        f"green and blue, stretched alike.</p><div class=panels>{''.join(panels)}</div>"
        "<h3>Errors</h3><p class=facts>Root of the mean squared error over the bands, "
        "one scale for all.</p>"
        f"<div class=scale><span>0</span><i style='background:linear-gradient(90deg,{colours})'>"
        f"</i><span>{largest:.0f} DN and more</span></div>"
        f"<div class=panels>{''.join(maps)}</div>"
    )


def _panel(image: NDArray[np.uint8], name: str, score: str = "") -> str:
    data = base64.b64encode(encode_png(image)).decode("ascii")
    rows, cols = image.shape[1:]
    return (
        f'<figure><img src="data:image/png;base64,{data}" width={cols} height={rows} '
        f'alt="{_text(name)}"><figcaption>{_text(name)}{score}</figcaption></figure>'
    )


def _limits(image: Image, channels: Sequence[int]) -> list[tuple[float, float]]:
    return [
        (_percentile(image[channel], _STRETCH[0]), _percentile(image[channel], _STRETCH[1]))
        for channel in channels
    ]


def _percentile(image: Image, share: float) -> float:
    seen = image[np.isfinite(image)]
    return float(np.percentile(seen, share)) if seen.size else 0.0


def _composite(
    image: Image, channels: Sequence[int], limits: Sequence[tuple[float, float]]
) -> NDArray[np.uint8]:
    planes = []
    for channel, (low, high) in zip(channels, limits, strict=True):
        share = np.clip((image[channel] - low) / max(high - low, 1.0), 0, 1)
        planes.append(np.rint(255 * np.nan_to_num(share) ** 0.8))
    return np.stack(planes).astype(np.uint8)


def _error_map(error: Image, largest: float) -> NDArray[np.uint8]:
    """Colour an error; where there is none, because there is no data, it is gray."""
    share = np.clip(np.nan_to_num(error) / max(largest, 1e-6), 0, 1) * (len(_ERROR_STOPS) - 1)
    positions = np.arange(len(_ERROR_STOPS))
    planes = [np.interp(share, positions, _ERROR_STOPS[:, channel]) for channel in range(3)]
    image: NDArray[np.uint8] = np.rint(np.stack(planes)).astype(np.uint8)
    image[:, ~np.isfinite(error)] = 128
    return image


def _legend(comparison: Mapping[str, Any], colours: Mapping[str, str]) -> str:
    names = (_swatch(result["method"], colours) for result in comparison["results"])
    return f"<p class=legend>{' '.join(f'<span>{name}</span>' for name in names)}</p>"


def _swatch(name: str, colours: Mapping[str, str]) -> str:
    return f'<i class=swatch style="background:{colours[name]}"></i>{_text(name)}'


def _plots(
    document: Document, comparison: Mapping[str, Any], colours: Mapping[str, str]
) -> Iterable[str]:
    for name, to_one in _PLOTTED:
        metric = document["metrics"].get(name)
        series = [
            (colours[r["method"]], r["method"], r["per_band"][name])
            for r in comparison["results"]
            if name in r["per_band"]
        ]
        if metric is None or not series:
            continue
        arrow = "lower is better" if metric["better"] == "lower" else "higher is better"
        unit = f" in {metric['unit']}" if metric["unit"] else ""
        title = f"{name.upper()}{unit}, {arrow}"
        top = 1.0 if to_one else _nice(max((v or 0.0 for *_, vs in series for v in vs), default=1))
        yield (
            f"<figure>{_bars(comparison['bands'], series, top, digits_of(name))}"
            f"<figcaption>{_text(title)}</figcaption></figure>"
        )


def _bars(
    bands: Sequence[str],
    series: Sequence[tuple[str, str, Sequence[float | None]]],
    top: float,
    digits: int,
) -> str:
    """Grouped bars as SVG: one group a band, one bar a method."""
    left, right, head, height, foot = 40, 6, 8, 170, 22
    bar = max(5, min(14, 34 // len(series)))
    group = bar * len(series) + 14
    width = left + right + group * len(bands)
    parts = []
    for step in range(5):
        y = head + height * (1 - step / 4)
        label = f"{top * step / 4:.3g}"
        parts.append(
            f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" class="rule"/>'
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        )
    for index, band in enumerate(bands):
        x = left + 7 + group * index
        middle = x + bar * len(series) / 2
        parts.append(
            f'<text x="{middle:.1f}" y="{head + height + 16}" text-anchor="middle">{band}</text>'
        )
        for place, (colour, method, values) in enumerate(series):
            value = values[index]
            if value is None:
                continue
            tall = height * min(max(value / top, 0), 1)
            parts.append(
                f'<rect x="{x + bar * place:.1f}" y="{head + height - tall:.1f}" '
                f'width="{bar - 1.5:.1f}" height="{tall:.1f}" rx="1.5" fill="{colour}">'
                f"<title>{_text(method)}, {band}: {number(value, digits)}</title></rect>"
            )
    return (
        f'<svg viewBox="0 0 {width} {head + height + foot}" width="{width}" role="img">'
        f"{''.join(parts)}</svg>"
    )


def _nice(value: float) -> float:
    """Return an end for an axis whose quarters have few digits."""
    if value <= 0:
        return 1.0
    power = float(10 ** np.floor(np.log10(value)))
    return next(
        step * power
        for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)
        if step * power >= value * 0.999
    )


def _band_tables(
    document: Document, comparison: Mapping[str, Any], colours: Mapping[str, str]
) -> str:
    parts = []
    for name in sorted(document["metrics"], key=_rank):
        found = [r for r in comparison["results"] if name in r["per_band"]]
        if not found:
            continue
        metric = document["metrics"][name]
        rows = [(_swatch(r["method"], colours), r["per_band"][name]) for r in found]
        unit = f" <small>{_text(metric['unit'])}</small>" if metric["unit"] else ""
        heading = f"<h4>{_text(metric['title'])}{unit}</h4>"
        parts.append(heading + _table("", comparison["bands"], rows, [digits_of(name)] * len(rows)))
    return "".join(parts)


def _provenance(document: Document) -> str:
    rows = []
    for method in document["methods"]:
        for network in method["networks"]:
            size = f"{network['features']} × {network['blocks']}" if network["features"] else ""
            what = f"{network['family']} {size}".strip()
            projection = "projected" if network["consistent"] else "not projected"
            rows.append(
                f"<tr><th>{_text(method['name'])}</th><td>{network['resolution']} m, "
                f"{_text(' '.join(network['levels']))}</td><td>{_text(what)}, {projection}</td>"
                f"<td>{_text(network['weights'])}<br><code>{_text(network['sha256'])}</code></td></tr>"
            )
    scenes = []
    for scene in document["scenes"]:
        facts = "; ".join(
            f"{key}: {value}" for key, value in scene["facts"].items() if value != scene["name"]
        )
        scenes.append(
            f"<tr><th>{_text(scene['name'])}</th><td>{scene['level']}</td>"
            f"<td>{scene['rows']}&nbsp;×&nbsp;{scene['cols']}</td><td>{_text(facts)}</td></tr>"
        )
    notes = "".join(f"<li>{_text(note)}</li>" for note in document["notes"])
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    protocol = document["protocol"]
    sigma = protocol["sigma"]
    return (
        "<section><h2>Where the numbers come from</h2>"
        f"<div class=scroll><table class=text>{''.join(rows)}</table></div>"
        f"<div class=scroll><table class=text>{''.join(scenes)}</table></div>"
        + (f"<ul>{notes}</ul>" if notes else "")
        + f"<p class=facts>{_text(versions)}. {_text(protocol['name'])}'s protocol with a point "
        f"spread of sigma {'1 / ratio' if sigma is None else format(sigma, 'g')} pixels; "
        f"data range {protocol['data_range']:g} DN; {_text(protocol['precision'])}.</p></section>\n"
    )


def _reading(document: Document) -> str:
    return (
        "<section><h2>How to read this</h2><p>Nobody has measured these bands at a finer grid, so "
        "the test is held one scale down: all bands are blurred and decimated by the ratio, "
        "sharpened, and compared with what was measured. A method that does well there is likely, "
        "not certain, to do as well at full scale. The last line of the tables of all metrics "
        "asks a question that needs no truth: sharpened at full scale and degraded again, "
        "how far is a band from the one that was measured?</p><p>Digital numbers (DN) are "
        "reflectance × 10 000. RMSE is the mean over the bands.</p></section>\n"
    )


def _anchor(comparison: Mapping[str, Any]) -> str:
    return _text(f"{comparison['scene']}-{comparison['resolution']}m".replace(" ", "-"))


def _text(value: object) -> str:
    return html.escape(str(value))


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--paper:#fff;
--ground:#f4f6f8;--strong:#0b6fa4}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b5;--line:#313b48;
--paper:#1a212a;--ground:#12171e;--strong:#6fc0ec}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);line-height:1.5;
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
header,main{max-width:1180px;margin:auto;padding:0 clamp(12px,3vw,32px)}
header{padding-top:40px}header p:first-child{margin:0;color:var(--soft);font-size:14px}
h1{font-size:clamp(24px,4vw,36px);line-height:1.15;margin:.1em 0 .4em;overflow-wrap:anywhere}
h2{font-size:21px;margin:0 0 4px;overflow-wrap:anywhere}
h3{font-size:16px;margin:28px 0 6px}h4{font-size:14px;margin:18px 0 4px}
.lead{font-size:18px;max-width:60em;margin:0 0 24px}.facts,figcaption,small{color:var(--soft)}
.facts{margin:0 0 12px;font-size:14px}small{font-size:.85em;font-weight:400}
section{background:var(--paper);border:1px solid var(--line);border-radius:12px;
padding:clamp(14px,2.4vw,28px);margin:0 0 20px}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;
font-size:15px}
th,td{padding:5px 12px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child{text-align:left;padding-left:0;font-weight:500}
tr:first-child th{font-size:13px;color:var(--soft);font-weight:500}
td.best{font-weight:700;color:var(--strong)}tr.mean th,tr.mean td{border-top:2px solid var(--line);
font-weight:600}
table.text{margin-bottom:18px;font-size:14px}table.text th,table.text td{text-align:left;
white-space:normal;vertical-align:top}table.text tr:first-child th{font-size:14px;color:inherit}
table.text th{overflow-wrap:anywhere;min-width:9em}code{font-size:12px;color:var(--soft);
overflow-wrap:anywhere}
.panels{display:grid;gap:14px;grid-template-columns:repeat(auto-fill,minmax(min(220px,46%),1fr))}
figure{margin:0}.panels img{width:100%;height:auto;display:block;image-rendering:pixelated;
border-radius:6px}
figcaption{font-size:13px;margin-top:4px;overflow-wrap:anywhere}
.plots{display:flex;flex-wrap:wrap;gap:20px}.plots figure{max-width:100%}
svg{max-width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:11px}
svg .rule{stroke:var(--line)}
.legend span{margin-right:18px;white-space:nowrap;font-size:14px}
.swatch{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:6px}
.scale{display:flex;align-items:center;gap:10px;font-size:13px;color:var(--soft);margin:0 0 10px}
.scale i{height:10px;width:min(260px,45vw);border-radius:5px}
abbr{text-decoration:none;border-bottom:1px dotted var(--soft)}
summary{cursor:pointer;margin-top:22px;font-weight:500}a{color:var(--strong)}
"""
