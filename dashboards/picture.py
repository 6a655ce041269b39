#!/usr/bin/env python3
"""Draws a dashboard as SVG from what a Prometheus has: a picture without a Grafana.

    python3 dashboards/picture.py http://localhost:9090 dashboards/grafana/dashboards/NAME.json [MINUTES] > NAME.svg

Every panel with its own queries, unit and colours, over the last MINUTES (30), every variable set to all. Dots are
exemplars. It knows the panel types that these dashboards use and draws them simply; a panel of another data source says
so. Standard library only.
"""

import json
import math
import re
import sys
import time
import urllib.parse
import urllib.request
from html import escape

COLUMN, ROW, GAP, HEAD = 50, 30, 6, 24
PALETTE = ["#73BF69", "#F2CC0C", "#5794F2", "#FF9830", "#FF7383", "#B877D9", "#8AB8FF", "#37872D", "#E0B400"]
NAMED = {
    "green": "#73BF69",
    "orange": "#FF9830",
    "red": "#F2495C",
    "transparent": "#73BF69",
    "blue": "#5794F2",
    "purple": "#B877D9",
}


class Source:
    """A Prometheus and the time to look at."""

    def __init__(self, url, minutes):
        self.url, self.minutes = url.rstrip("/"), minutes
        self.end = time.time()
        self.start = self.end - minutes * 60

    def ask(self, path, **query):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def expression(self, target, step):
        """The expression with Grafana's variables put in."""
        values = {"$__rate_interval": "60s", "$__interval": f"{step}s", "$__range_s": str(self.minutes * 60)}
        values.update(
            {"$__range": f"{self.minutes * 60}s", "$environment": ".*", "$service": ".*", "$operation": "task"}
        )
        text = target["expr"]
        for name, value in values.items():
            text = text.replace(name, value)
        return text

    def now(self, target):
        """[(legend, value)] at the end of the range."""
        found = self.ask("query", query=self.expression(target, 60), time=self.end)["result"]
        pairs = [(legend(target, series["metric"]), float(series["value"][1])) for series in found]
        return [(name, value) for name, value in pairs if math.isfinite(value)]

    def over_time(self, target, step):
        """[(legend, labels, [(time, value)])] over the range, gaps left out."""
        query = {"query": self.expression(target, step), "start": self.start + step, "end": self.end, "step": step}
        found = self.ask("query_range", **query)["result"]
        lines = [(series["metric"], [(float(at), float(value)) for at, value in series["values"]]) for series in found]
        return [
            (legend(target, labels), labels, [(at, value) for at, value in points if math.isfinite(value)])
            for labels, points in lines
        ]

    def exemplars(self, target):
        """[(time, value)] of the range, each once."""
        query = {"query": self.expression(target, 60), "start": self.start, "end": self.end}
        found = self.ask("query_exemplars", **query)
        return sorted(
            {(float(one["timestamp"]), float(one["value"])) for series in found for one in series["exemplars"]}
        )


def legend(target, labels):
    text = target.get("legendFormat", "")
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def shown(value, unit):
    """A number as Grafana would write it, roughly."""
    if unit == "percentunit":
        return f"{100 * value:.1f} %".replace(".0 %", " %")
    if unit == "ms":
        return (
            f"{value:.0f} ms"
            if value < 1000
            else (f"{value / 1000:.3g} s" if value < 120_000 else f"{value / 60_000:.3g} min")
        )
    if unit == "s":
        return f"{value:.3g} s" if value < 120 else f"{value / 60:.3g} min"
    suffix = {"bytes": "B", "Bps": "B/s", "cps": "/s", "reqps": "/s"}.get(unit, "")
    base = 1024 if unit in ("bytes", "Bps") else 1000
    for prefix in ("", "k" if base == 1000 else "Ki", "M" if base == 1000 else "Mi", "G" if base == 1000 else "Gi"):
        if abs(value) < base:
            break
        value /= base
    return f"{value:.3g} {prefix}{suffix}".strip()


def colour(value, panel):
    """The colour of the highest threshold that is not above the value."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    fitting = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return NAMED.get(fitting[-1], fitting[-1])


def line_colour(name, index, panel):
    """The fixed colour of a line, if the panel has one for its name, or the next of the palette."""
    for override in panel["fieldConfig"]["overrides"]:
        if re.fullmatch(override["matcher"]["options"], name):
            return NAMED[override["properties"][0]["value"]["fixedColor"]]
    return PALETTE[index % len(PALETTE)]


def text(x, y, words, size=12, fill="#CCCCDC", anchor="start", weight="normal"):
    style = f'font-size="{size}" fill="{fill}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(str(words))}</text>'


def rectangle(x, y, width, height, fill, opacity=1.0):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" fill="{fill}" fill-opacity="{opacity:.2f}"/>'


def arc(x, y, outer, inner, start, end, fill):
    """A piece of a ring, angles clockwise from the top."""
    end = min(end, start + 2 * math.pi - 1e-3)
    point = lambda radius, angle: f"{x + radius * math.sin(angle):.1f} {y - radius * math.cos(angle):.1f}"
    large = int(end - start > math.pi)
    outward = f"M {point(outer, start)} A {outer:.1f} {outer:.1f} 0 {large} 1 {point(outer, end)}"
    inward = f"L {point(inner, end)} A {inner:.1f} {inner:.1f} 0 {large} 0 {point(inner, start)} Z"
    return f'<path d="{outward} {inward}" fill="{fill}"/>'


def stat(panel, source, x, y, width, height):
    found = source.now(panel["targets"][0])
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if not found:
        return [text(x + width / 2, y + height / 2, "no data", 14, "#8E8E99", "middle")]
    drawn = []
    each = width / len(found)
    for index, (name, value) in enumerate(found):
        middle = x + each * (index + 0.5)
        size = min(height * 0.5, each / (0.64 * max(len(shown(value, unit)), 4)), 56)
        drawn.append(
            text(middle, y + height / 2 + size / 3, shown(value, unit), size, colour(value, panel), "middle", "bold")
        )
        drawn.append(text(middle, y + height - 6, name, 11, "#8E8E99", "middle"))
    return drawn


def gauge(panel, source, x, y, width, height):
    found = source.now(panel["targets"][0])
    defaults = panel["fieldConfig"]["defaults"]
    low, high = defaults["min"], defaults["max"]
    middle, bottom, outer = x + width / 2, y + height * 0.8, min(width / 2.4, height * 0.7)
    angle = lambda value: (min(max(value, low), high) - low) / (high - low) * math.pi - math.pi / 2
    drawn = [arc(middle, bottom, outer, outer * 0.72, -math.pi / 2, math.pi / 2, "#2F3037")]
    steps = defaults["thresholds"]["steps"]
    for step, following in zip(steps, steps[1:] + [{"value": high}]):
        begin = low if step["value"] is None else step["value"]
        drawn.append(
            arc(
                middle,
                bottom,
                outer + 6,
                outer + 2,
                angle(begin),
                angle(following["value"]),
                NAMED.get(step["color"], step["color"]),
            )
        )
    if found:
        value = found[0][1]
        drawn.append(arc(middle, bottom, outer, outer * 0.72, -math.pi / 2, angle(value), colour(value, panel)))
        drawn.append(
            text(
                middle, bottom - 4, shown(value, defaults["unit"]), outer * 0.3, colour(value, panel), "middle", "bold"
            )
        )
    return drawn


def axes(source, x, y, width, height, low, high, unit):
    """The plot's frame, and where a time and a value are in it."""
    left, bottom = x + 58, y + height - 38
    right, top = x + width - 8, y + 4
    across = lambda at: left + (at - source.start) / (source.end - source.start) * (right - left)
    up = lambda value: bottom - (value - low) / ((high - low) or 1) * (bottom - top)
    drawn = []
    for part in range(5):
        value = low + (high - low) * part / 4
        drawn.append(f'<line x1="{left}" x2="{right}" y1="{up(value):.1f}" y2="{up(value):.1f}" stroke="#2F3037"/>')
        drawn.append(text(left - 6, up(value) + 4, shown(value, unit), 10, "#8E8E99", "end"))
    for part in range(1, 6):
        at = source.start + (source.end - source.start) * part / 6
        drawn.append(text(across(at), bottom + 14, time.strftime("%H:%M", time.gmtime(at)), 10, "#8E8E99", "middle"))
    return drawn, across, up


def names(entries, x, y, width):
    """The legend, as far as there is room."""
    drawn, at = [], x
    for name, fill in entries:
        if at + 24 + 6.4 * len(name) > x + width:
            break
        drawn.append(rectangle(at, y - 4, 12, 3, fill))
        drawn.append(text(at + 16, y, name, 11))
        at += 28 + 6.4 * len(name)
    return drawn


def timeseries(panel, source, x, y, width, height):
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    bars, stacked = custom["drawStyle"] == "bars", custom["stacking"]["mode"] == "normal"
    step = 60 if bars else 15
    lines = [line for target in panel["targets"] for line in source.over_time(target, step)]
    # Beside a count a dot would only say when.
    dots = [dot for target in panel["targets"] if target["exemplar"] and not bars for dot in source.exemplars(target)]
    base, tops = {}, []
    for _, _, points in lines:
        top = [(at, value + (base.get(at, 0) if stacked else 0)) for at, value in points]
        tops.append([(at, base.get(at, 0) if stacked else 0, high) for at, high in top])
        base.update(dict(top))
    values = [high for line in tops for _, _, high in line] or [1]
    low = min(defaults.get("min", min(values)), min(values))
    high = defaults.get("max", max(values) * 1.1 or 1)
    drawn, across, up = axes(source, x, y, width, height, low, high, defaults["unit"])
    wide = across(source.start + step) - across(source.start)
    fills = [line_colour(name, index, panel) for index, (name, _, _) in enumerate(lines)]
    for index, (line, fill) in enumerate(zip(tops, fills)):
        if bars:
            share = wide * 0.8 / (1 if stacked else len(tops))
            shift = 0 if stacked else index * share
            drawn += [
                rectangle(across(at) - wide * 0.8 + shift, up(to), share, up(begin) - up(to), fill, 0.75)
                for at, begin, to in line
                if to > begin
            ]
        else:
            path = "".join(
                f"{'M' if n == 0 or at - line[n - 1][0] > 1.5 * step else 'L'}{across(at):.1f} {up(min(to, high)):.1f}"
                for n, (at, _, to) in enumerate(line)
            )
            drawn.append(f'<path d="{path}" fill="none" stroke="{fill}" stroke-width="1.5"/>')
    drawn += [
        f'<circle cx="{across(at):.1f}" cy="{up(min(max(value, low), high)):.1f}" r="2.2" fill="#5794F2"/>'
        for at, value in dots
        if at >= source.start
    ]
    return drawn + names([(name, fill) for (name, _, _), fill in zip(lines, fills)], x + 58, y + height - 6, width - 60)


def heatmap(panel, source, x, y, width, height):
    unit, step = panel["fieldConfig"]["defaults"]["unit"], 60
    rows = [(float(labels["le"]), dict(points)) for _, labels, points in source.over_time(panel["targets"][0], step)]
    rows.sort(key=lambda row: row[0])
    cells, below = [], {}
    for index, (_, points) in enumerate(rows):
        cells += [(index, at, value - below.get(at, 0)) for at, value in points.items()]
        below = points
    most = max((count for *_, count in cells), default=1) or 1
    left, top, bottom = x + 58, y + 4, y + height - 22
    across = lambda at: left + (at - source.start) / (source.end - source.start) * (x + width - 8 - left)
    tall = (bottom - top) / max(len(rows), 1)
    drawn = []
    for index, (bound, _) in enumerate(rows):
        label = "+Inf" if math.isinf(bound) else shown(bound, unit)
        drawn.append(text(left - 6, bottom - tall * (index + 0.5) + 4, label, 10, "#8E8E99", "end"))
    wide = across(source.start + step) - across(source.start)
    for index, at, count in cells:
        if count > 0.01:
            drawn.append(
                rectangle(
                    across(at) - wide + 1,
                    bottom - tall * (index + 1) + 1,
                    wide - 1,
                    tall - 1,
                    "#FF9830",
                    0.25 + 0.75 * math.sqrt(count / most),
                )
            )
    for at, value in source.exemplars(panel["targets"][0]):
        index = next((index for index, (bound, _) in enumerate(rows) if value <= bound), None)
        if index is not None and at >= source.start:
            drawn.append(
                f'<circle cx="{across(at):.1f}" cy="{bottom - tall * (index + 0.5):.1f}" r="2.6" fill="#5794F2" stroke="#111217"/>'
            )
    for part in range(1, 6):
        at = source.start + (source.end - source.start) * part / 6
        drawn.append(text(across(at), bottom + 14, time.strftime("%H:%M", time.gmtime(at)), 10, "#8E8E99", "middle"))
    return drawn


def piechart(panel, source, x, y, width, height):
    found = sorted(source.now(panel["targets"][0]), key=lambda pair: -pair[1])
    total = sum(value for _, value in found) or 1
    outer = min(height / 2 - 8, width / 5)
    drawn, angle = [], 0.0
    for index, (name, value) in enumerate(found):
        turn = value / total * 2 * math.pi
        fill = PALETTE[index % len(PALETTE)]
        drawn.append(arc(x + outer + 10, y + height / 2, outer, outer * 0.6, angle, angle + turn, fill))
        line = y + 24 + 19 * index
        drawn.append(rectangle(x + 2 * outer + 24, line - 9, 10, 10, fill))
        drawn.append(text(x + 2 * outer + 40, line, f"{name}  {value:.0f}  {100 * value / total:.0f} %", 12))
        angle += turn
    return drawn


def bargauge(panel, source, x, y, width, height):
    defaults = panel["fieldConfig"]["defaults"]
    drawn = []
    for index, (name, value) in enumerate(source.now(panel["targets"][0])[: int(height // 22)]):
        line = y + 16 + 22 * index
        drawn.append(text(x + 8, line, name[-22:], 11))
        drawn.append(rectangle(x + width * 0.35, line - 11, width * 0.5, 13, "#2F3037"))
        drawn.append(
            rectangle(
                x + width * 0.35,
                line - 11,
                width * 0.5 * min(value / defaults.get("max", 1), 1),
                13,
                colour(value, panel),
            )
        )
        drawn.append(text(x + width * 0.87, line, shown(value, defaults["unit"]), 11))
    return drawn


def table(panel, source, x, y, width, height):
    labels = [
        series["metric"]
        for series in source.ask("query", query=source.expression(panel["targets"][0], 60), time=source.end)["result"]
    ]
    lines = ["  ".join(value for name, value in sorted(metric.items()) if name != "__name__") for metric in labels]
    return [
        text(x + 8, y + 16 + 18 * index, line, 11)
        for index, line in enumerate((lines or ["none"])[: int(height // 18)])
    ]


DRAW = {
    "stat": stat,
    "gauge": gauge,
    "timeseries": timeseries,
    "heatmap": heatmap,
    "piechart": piechart,
    "bargauge": bargauge,
    "table": table,
}


def draw(panel, source):
    grid = panel["gridPos"]
    x, y = grid["x"] * COLUMN + GAP, grid["y"] * ROW + GAP + 34
    width, height = grid["w"] * COLUMN - GAP, grid["h"] * ROW - GAP
    if panel["type"] == "row":
        return [text(x, y + 18, panel["title"], 14, weight="bold")]
    frame = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="2" fill="#181B1F" stroke="#2A2C33"/>'
    inside = (x, y + HEAD, width, height - HEAD)
    if panel["datasource"]["type"] == "prometheus":
        drawn = DRAW[panel["type"]](panel, source, *inside)
    else:
        drawn = [text(x + 8, y + HEAD + 16, f"from {panel['datasource']['type']}", 11, "#8E8E99")]
    return [frame, text(x + 8, y + 17, panel["title"], 13, weight="bold"), *drawn]


def main():
    if not 3 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    with open(sys.argv[2], encoding="utf-8") as file:
        board = json.load(file)
    source = Source(sys.argv[1], int(sys.argv[3]) if len(sys.argv) == 4 else 30)
    drawn = [part for panel in board["panels"] for part in draw(panel, source)]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) * ROW + GAP + 40
    width = 24 * COLUMN + GAP
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="Inter, Helvetica, Arial, sans-serif">'
    )
    print(rectangle(0, 0, width, height, "#111217"))
    print(text(GAP, 26, f"{board['title']}, {source.minutes} minutes", 18, weight="bold"))
    print("\n".join(drawn))
    print("</svg>")


if __name__ == "__main__":
    main()
