"""The readable report: one HTML file with figures, curves and failures, without scripts."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from importlib.resources import files
from xml.etree import ElementTree as ET

from visearch.evaluation.failures import Failure, Shown
from visearch.evaluation.markup import document, tag
from visearch.evaluation.plot import Line, line_chart
from visearch.evaluation.results import EncoderResult, LevelResult, Sheet, Study
from visearch.evaluation.summary import MEDIAN_RANK, Estimate
from visearch.images import decode, thumbnail

THUMBNAIL_SIDE = 112
_CLASS_METRICS = ("recall@1", "precision@10", "map")
# The file may be opened anywhere: it must neither load nor run anything.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render(study: Study, sheets: Sequence[Sheet], pictures: Sequence[bytes]) -> str:
    """Return the report as an HTML document.

    ``sheets`` refer to ``pictures``, which are encoded, by row; those shown are embedded as
    small JPEGs.

    Raises:
        ImageError: one of them cannot be decoded.
    """
    names = " and ".join(encoder.encoder for encoder in study.encoders)
    levels = range(len(study.encoders[0].levels))
    body = tag(
        "main",
        tag("h1", f"How well {names} find{'' if len(study.encoders) > 1 else 's'}"),
        tag("p", _about(study)),
        *(part for i in levels for part in _level(study, i)),
        *_robustness(study),
        *(part for sheet in sheets for part in _failures(sheet, pictures)),
    )
    return document(tag("html", _head(names), tag("body", body), lang="en"))


def _head(names: str) -> ET.Element:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"visearch evaluate: {names}"),
        tag("style", files("visearch.evaluation").joinpath("page.css").read_text("utf-8")),
    )


def _about(study: Study) -> str:
    encoders = "; ".join(
        f"{each.encoder} is {each.fingerprint}, {each.dimension} numbers per picture"
        for each in study.encoders
    )
    return (
        f"{study.pictures:,} pictures, {study.protocol}, {study.similarity}. {encoders}. "
        f"Intervals: {study.confidence:.0%}, bootstrap over groups of queries, "
        f"{study.resamples:,} resamples."
    )


def _level(study: Study, i: int) -> list[ET.Element]:
    results = [encoder.levels[i] for encoder in study.encoders]
    gains = study.gains[i] if study.gains else {}
    heads = ["", *(each.encoder for each in study.encoders), *(["difference"] if gains else [])]
    rows = [
        [tag("td", name), *(_figure(each.metrics[name]) for each in results)]
        + ([_gain(name, gains[name])] if gains else [])
        for name in results[0].metrics
    ]
    return [
        tag("h2", f"By {results[0].level}"),
        tag("p", _counts(results[0])),
        *(
            tag("p", f"Weights of the parts of {each.encoder}: {level.weights_in_words}.")
            for each, level in zip(study.encoders, results, strict=True)
            if level.weights
        ),
        _table(heads, rows),
        _classes(study.encoders, results),
    ]


def _counts(level: LevelResult) -> str:
    return (
        f"{level.queries:,} queries in {level.groups:,} groups, {level.gallery:,} pictures in "
        f"the gallery. Left out: {level.unanswerable:,} without a relevant picture, "
        f"{level.unlabelled:,} without this label."
    )


def _figure(estimate: Estimate) -> ET.Element:
    return tag("td", f"{estimate.value:.3f} ", *_interval(estimate))


def _interval(estimate: Estimate, form: str = ".3f") -> list[ET.Element]:
    if estimate.low is None or estimate.high is None:
        return []
    return [tag("small", f"{estimate.low:{form}} … {estimate.high:{form}}")]


def _gain(name: str, gain: Estimate) -> ET.Element:
    verdict = "even"
    if gain.low is not None and gain.high is not None and (gain.low > 0 or gain.high < 0):
        verdict = "better" if (gain.value > 0) != (name == MEDIAN_RANK) else "worse"
    return tag("td", f"{gain.value:+.3f} ", *_interval(gain, "+.3f"), class_=verdict)


def _classes(encoders: Sequence[EncoderResult], results: Sequence[LevelResult]) -> ET.Element:
    heads = ["class", "queries"]
    heads += [f"{name} ({each.encoder})" for name in _CLASS_METRICS for each in encoders]
    by_class = zip(*(level.classes for level in results), strict=True)
    rows = [
        [tag("td", one[0].name), tag("td", f"{one[0].queries:,}")]
        + [tag("td", f"{each.metrics[name]:.3f}") for name in _CLASS_METRICS for each in one]
        for one in sorted(by_class, key=lambda one: one[0].metrics["recall@1"])
    ]
    title = tag("summary", f"By class ({len(rows)}), hardest first")
    return tag("details", title, _table(heads, rows))


def _table(heads: Sequence[str], rows: Sequence[Sequence[ET.Element]]) -> ET.Element:
    head = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in heads)))
    body = tag("tbody", *(tag("tr", *row) for row in rows))
    return tag("div", tag("table", head, body), class_="scroll")


def _robustness(study: Study) -> list[ET.Element]:
    curves = zip(*(encoder.robustness for encoder in study.encoders), strict=True)
    names = [encoder.encoder for encoder in study.encoders]
    charts = []
    for kind in curves:
        title = f"{kind[0].corruption} ({kind[0].unit})"
        steps = ["none" if p.severity is None else f"{p.severity:g}" for p in kind[0].points]
        lines = [
            Line(name, i, [point.recall for point in curve.points])
            for i, (name, curve) in enumerate(zip(names, kind, strict=True))
        ]
        chart = line_chart(title, kind[0].unit, steps, lines)
        charts.append(tag("figure", chart, tag("figcaption", title)))
    about = (
        f"Recall@1 of the original among all {study.pictures:,} pictures, for "
        f"{study.robustness_queries:,} of them with increasing damage."
    )
    return [
        tag("h2", "Robustness"),
        tag("p", about),
        tag(
            "p", *(tag("span", f"{'●■'[i]} {n} ", class_=f"line-{i}") for i, n in enumerate(names))
        ),
        tag("div", *charts, class_="plots"),
    ]


def _failures(sheet: Sheet, pictures: Sequence[bytes]) -> list[ET.Element]:
    if not sheet.failures:
        return []
    about = (
        "The worst query of each class: what was found first, and the best-ranked right picture."
    )
    return [
        tag("h2", f"Failures of {sheet.encoder} by {sheet.level}"),
        tag("p", about),
        tag("div", *(_failure(each, pictures) for each in sheet.failures), class_="failures"),
    ]


def _failure(failure: Failure, pictures: Sequence[bytes]) -> ET.Element:
    return tag(
        "div",
        _picture("query", "query", failure.query, pictures),
        *(
            _picture("wrong", f"found {rank}", each, pictures)
            for rank, each in enumerate(failure.found, start=1)
            if rank < failure.rank
        ),
        _picture("right", f"right, at {failure.rank:,}", failure.expected, pictures),
        class_="failure",
    )


def _picture(kind: str, caption: str, shown: Shown, pictures: Sequence[bytes]) -> ET.Element:
    small = thumbnail(decode(pictures[shown.picture], at_least=THUMBNAIL_SIDE), THUMBNAIL_SIDE)
    source = f"data:image/jpeg;base64,{b64encode(small).decode()}"
    caption_of = tag("figcaption", tag("strong", caption), shown.label)
    image = tag("img", src=source, alt=f"{caption}: {shown.label}")
    return tag("figure", image, caption_of, class_=kind)
