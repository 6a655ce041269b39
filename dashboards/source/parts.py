"""What all dashboards share: the board with its grid, the kinds of panels, and the forms of queries.

Panels are placed from left to right, in lines as high as their highest panel, and numbered as they come. Every default
that Grafana would fill in and that matters is written out.
"""

import json

PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
TEMPO = {"type": "tempo", "uid": "tempo"}

# The whole time range, a window for rates, and the step of the graph.
RANGE, RATE, STEP = "$__range", "$__rate_interval", "$__interval"
ENVIRONMENT = 'environment=~"$environment"'
# What may lack the label altogether.
ANY_ENVIRONMENT = 'environment=~"$environment|"'
GRID = 24


def select(metric, labels=""):
    """The series of a metric in the chosen environments."""
    return f"{metric}{{{ENVIRONMENT}{',' + labels if labels else ''}}}"


def increase(metric, window, labels=""):
    """What was counted within the window.

    A series that is new in it counts from zero: `increase` does not see the first value, and each repository, language
    and status begins a series. The day bridges gaps in the scrapes.
    """
    series = select(metric, labels)
    return f"{series} unless last_over_time({series}[1d] offset {window}) or increase({series}[{window}])"


def rate(metric, labels=""):
    """What was counted a second; for series that are there from the start."""
    return f"rate({select(metric, labels)}[{RATE}])"


def mean(histogram, window):
    """The mean of the values that came within the window; nothing where none came."""
    return f"sum({increase(histogram + '_sum', window)}) / (sum({increase(histogram + '_count', window)}) > 0)"


def share(part, whole):
    """A part of a whole; nothing where the whole is zero, and zero where the part has no series."""
    return f"(sum({part}) or vector(0)) / (sum({whole}) > 0)"


def quantile(q, histogram, window, labels=""):
    return f"histogram_quantile({q}, sum by (le) ({increase(histogram + '_bucket', window, labels)}))"


def joined(parts, label="signal"):
    """Several metrics in one vector, told apart by a label: [(value of the label, expression)]."""
    return " or ".join(f'label_replace({expression}, "{label}", "{value}", "", "")' for value, expression in parts)


def target(ref, expression, legend="", instant=False, exemplar=False, form="time_series"):
    """A query. Exemplars come only with a range."""
    kind = {"instant": True, "range": False} if instant else {"range": True, "instant": False}
    query = {"refId": ref, "datasource": PROMETHEUS, "expr": expression, "legendFormat": legend, "format": form}
    return {**query, **kind, "exemplar": exemplar}


def targets(*queries, exemplar=False):
    """Range queries A, B, ... of (expression, legend)."""
    return [target(chr(ord("A") + n), text, legend, exemplar=exemplar) for n, (text, legend) in enumerate(queries)]


def steps(first, *others):
    """Thresholds: the colour from the bottom, then (value, colour) upward."""
    upward = [{"color": colour, "value": value} for value, colour in others]
    return {"mode": "absolute", "steps": [{"color": first, "value": None}, *upward]}


PLAIN = steps("green")


def fixed(colours):
    """Fixed colours of lines: {regular expression of the legend: colour}."""
    return [
        {
            "matcher": {"id": "byRegexp", "options": names},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for names, colour in colours.items()
    ]


def words(zero, one):
    """0 and 1 as words."""
    return [
        {
            "type": "value",
            "options": {
                "0": {"text": zero, "color": "red", "index": 0},
                "1": {"text": one, "color": "green", "index": 1},
            },
        }
    ]


def variable(name, label, query, chosen=("All", "$__all")):
    """A variable of which several values may be chosen."""
    text, value = chosen
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": PROMETHEUS,
        "query": {"query": query, "refId": "A"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": [text], "value": [value]},
        "options": [],
        "hide": 0,
        "skipUrlSync": False,
        "regex": "",
    }


def annotation(name, colour, expression, interval, title, text, tags):
    return {
        "name": name,
        "datasource": PROMETHEUS,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "target": {"refId": "A", "expr": expression, "interval": interval},
        "titleFormat": title,
        "textFormat": text,
        "tagKeys": tags,
    }


BUILT_IN = {
    "name": "Annotations & Alerts",
    "builtIn": 1,
    "type": "dashboard",
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
}
FIRING = f'ALERTS{{alertstate="firing",{ANY_ENVIRONMENT}}}'
ANNOTATIONS = [
    BUILT_IN,
    annotation("Alerts", "red", FIRING, "60s", "{{alertname}}", "{{severity}} {{environment}}", "severity"),
    annotation(
        "Collector starts",
        "blue",
        "otelcol_process_uptime_seconds_total < 30",
        "15s",
        "Collector started",
        "{{instance}}",
        "",
    ),
]
# To all dashboards with the tag.
LINK = {
    "type": "dashboards",
    "title": "Phasor",
    "tags": ["phasor"],
    "asDropdown": True,
    "includeVars": True,
    "keepTime": True,
    "targetBlank": False,
    "icon": "external link",
    "tooltip": "",
    "url": "",
}
REDUCE = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "orientation": "auto"}


class Board:
    """A dashboard. `environments_of` is the metric whose label `environment` gives the values of that variable."""

    def __init__(self, uid, title, description, environments_of, tag, time="now-6h", refresh="30s", variables=()):
        environment = variable("environment", "Environment", f"label_values({environments_of}, environment)")
        self.head = {
            "uid": uid,
            "title": title,
            "description": description,
            "tags": ["phasor", tag],
            "schemaVersion": 41,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "browser",
            "time": {"from": time, "to": "now"},
            "refresh": refresh,
            "links": [LINK],
            "annotations": {"list": ANNOTATIONS},
            "templating": {"list": [environment, *variables]},
        }
        self.panels = []
        self.x = self.y = self.height = 0

    def json(self):
        return {**self.head, "panels": self.panels}

    def row(self, title):
        """A headline over the panels that follow."""
        self._next_line()
        place = {"x": 0, "y": self.y, "w": GRID, "h": 1}
        number = len(self.panels) + 1
        self.panels.append(
            {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        )
        self.y += 1

    def stat(self, title, description, expression, size=(4, 4), unit="short", thresholds=PLAIN, **more):
        """A number, or several side by side. `sparkline` draws how it came to be."""
        sparkline = more.get("sparkline", False)
        options = {
            **REDUCE,
            "colorMode": "value",
            "graphMode": "area" if sparkline else "none",
            "textMode": more.get("text", "auto"),
            "justifyMode": "auto",
        }
        defaults = {"mappings": more["mappings"]} if "mappings" in more else {}
        query = target("A", expression, more.get("legend", ""), instant=not sparkline)
        self._panel("stat", title, description, [query], size, unit, thresholds, options, defaults)

    def gauge(self, title, description, expression, size, unit, limits, thresholds):
        options = {**REDUCE, "showThresholdMarkers": True, "showThresholdLabels": False}
        low, high = limits
        query = target("A", expression, instant=True)
        self._panel("gauge", title, description, [query], size, unit, thresholds, options, {"min": low, "max": high})

    def lines(self, title, description, queries, size, unit, **more):
        """Lines over time. `limit` draws the thresholds, `low` and `high` bound the axis, `stack` piles up."""
        self._series("line", title, description, queries, size, unit, more)

    def counts(self, title, description, queries, size, **more):
        """Bars over time, each the count of its step; the legend sums them."""
        self._series("bars", title, description, queries, size, "short", {"calcs": ["sum"], **more})

    def _series(self, style, title, description, queries, size, unit, more):
        custom = {
            "drawStyle": style,
            "lineWidth": 1,
            "fillOpacity": 60 if style == "bars" else 10,
            "showPoints": "auto",
            "spanNulls": False,
            "stacking": {"mode": "normal" if more.get("stack") else "none", "group": "A"},
            "thresholdsStyle": {"mode": "line" if "limit" in more else "off"},
        }
        legend = {
            "displayMode": "list",
            "placement": "bottom",
            "showLegend": True,
            "calcs": more.get("calcs", ["lastNotNull"]),
        }
        options = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        bounds = {"min": more.get("low", 0), "max": more.get("high")}
        defaults = {key: value for key, value in bounds.items() if value is not None}
        thresholds = steps("transparent", (more["limit"], "red")) if "limit" in more else PLAIN
        overrides = fixed(more.get("colours", {}))
        self._panel(
            "timeseries", title, description, queries, size, unit, thresholds, options, defaults, custom, overrides
        )

    def heatmap(self, title, description, histogram, size, unit, labels=""):
        """How many values fell into which bucket, step by step, with exemplars."""
        expression = f"sum by (le) ({increase(histogram + '_bucket', STEP, labels)})"
        scheme = {
            "mode": "scheme",
            "scheme": "Oranges",
            "fill": "dark-orange",
            "exponent": 0.5,
            "steps": 64,
            "reverse": False,
        }
        options = {
            "calculate": False,
            "color": scheme,
            "exemplars": {"color": "rgba(50, 116, 217, 0.9)"},
            "cellGap": 1,
            "filterValues": {"le": 1e-9},
            "rowsFrame": {"layout": "auto"},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
            "legend": {"show": True},
            "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": False},
        }
        custom = {
            "scaleDistribution": {"type": "linear"},
            "hideFrom": {"tooltip": False, "viz": False, "legend": False},
        }
        query = target("A", expression, "{{le}}", exemplar=True, form="heatmap")
        self._panel("heatmap", title, description, [query], size, unit, PLAIN, options, custom=custom)

    def pie(self, title, description, expression, legend, size):
        table = {
            "calcs": [],
            "displayMode": "table",
            "placement": "right",
            "showLegend": True,
            "values": ["value", "percent"],
        }
        options = {
            **REDUCE,
            "pieType": "donut",
            "displayLabels": ["percent"],
            "legend": table,
            "tooltip": {"mode": "single", "sort": "none"},
        }
        query = target("A", expression, legend, instant=True)
        self._panel("piechart", title, description, [query], size, "short", PLAIN, options)

    def bars(self, title, description, expression, legend, size, unit, thresholds, limits):
        """A bar for each series as it is now."""
        options = {
            **REDUCE,
            "orientation": "horizontal",
            "displayMode": "basic",
            "showUnfilled": True,
            "valueMode": "color",
        }
        low, high = limits
        query = target("A", expression, legend, instant=True)
        self._panel("bargauge", title, description, [query], size, unit, thresholds, options, {"min": low, "max": high})

    def table(self, title, description, query, size, transformations=()):
        options = {"showHeader": True, "cellHeight": "sm"}
        custom = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}
        self._panel("table", title, description, [query], size, "none", PLAIN, options, custom=custom)
        if transformations:
            self.panels[-1]["transformations"] = list(transformations)

    def _panel(
        self, kind, title, description, queries, size, unit, thresholds, options, more=None, custom=None, overrides=None
    ):
        width, height = size
        if self.x + width > GRID:
            self._next_line()
        colour = "palette-classic" if kind in ("timeseries", "piechart", "heatmap") else "thresholds"
        defaults = {"unit": unit, "color": {"mode": colour}, "thresholds": thresholds, **(more or {})}
        if custom:
            defaults["custom"] = custom
        panel = {
            "id": len(self.panels) + 1,
            "type": kind,
            "title": title,
            "description": description,
            "gridPos": {"x": self.x, "y": self.y, "w": width, "h": height},
            "datasource": queries[0]["datasource"],
            "targets": queries,
            "fieldConfig": {"defaults": defaults, "overrides": overrides or []},
            "options": options,
        }
        # What counts by the step counts by the minute at least: shorter ones hold too few scrapes.
        if f"[{STEP}]" in json.dumps(queries):
            panel["interval"] = "1m"
        self.panels.append(panel)
        self.x += width
        self.height = max(self.height, height)

    def _next_line(self):
        self.y += self.height
        self.x = self.height = 0
