"""Dashboard 10, project health: is every service up, does the machine have room, does anything wait for a person?"""

from .parts import ANY_ENVIRONMENT, FIRING, Board, rate, select, steps, target, targets, words

FILE = "project-health.json"

# File systems that hold data.
DISKS = 'fstype!~"tmpfs|overlay|squashfs"'
RENAMED = {"alertname": "Alert", "alertstate": "State", "severity": "Severity", "environment": "Environment"}


def board():
    it = Board(
        "phasor-project-health",
        "Project health",
        "Is every service up, does the machine have room, does anything wait for a person?",
        "up",
        "health",
    )
    services(it)
    machine(it)
    traffic(it)
    alerts(it)
    return it


def services(it):
    it.row("Services")
    up_or_down = {"mappings": words("down", "up"), "text": "value_and_name"}
    it.stat(
        "Service up or down",
        "Whether Prometheus could scrape each service of the stack.",
        f"min by (job) ({select('up')})",
        (16, 5),
        "none",
        steps("red", (1, "green")),
        legend="{{job}}",
        **up_or_down,
    )
    it.stat(
        "Sites",
        "Whether the probed pages answer.",
        f"min by (site) ({select('probe_success')})",
        (8, 5),
        "none",
        steps("red", (1, "green")),
        legend="{{site}}",
        **up_or_down,
    )


def machine(it):
    it.row("Machine")
    idle = rate("node_cpu_seconds_total", 'mode="idle"')
    free, size = select("node_filesystem_avail_bytes", DISKS), select("node_filesystem_size_bytes", DISKS)
    available, total = select("node_memory_MemAvailable_bytes"), select("node_memory_MemTotal_bytes")
    gauges = [
        ("CPU", "Share of all cores that is busy.", f"1 - avg({idle})", (0.7, 0.9)),
        (
            "Memory",
            "Share of the memory that is in use and cannot be given back.",
            f"max(1 - {available} / {total})",
            (0.8, 0.95),
        ),
        ("Disk", "The fullest file system.", f"max(1 - {free} / {size})", (0.8, 0.9)),
    ]
    for title, description, expression, (much, too_much) in gauges:
        thresholds = steps("green", (much, "orange"), (too_much, "red"))
        it.gauge(title, description, expression, (8, 6), "percentunit", (0, 1), thresholds)


def traffic(it):
    it.row("Traffic")
    buckets = rate("traces_span_metrics_duration_milliseconds_bucket")
    it.lines(
        "Response times",
        "95th percentile of spans by service, and of the probed pages.",
        [
            target(
                "A",
                f"histogram_quantile(0.95, sum by (service_name, le) ({buckets}))",
                "{{service_name}}",
                exemplar=True,
            ),
            target("B", f"1000 * max by (site) ({select('probe_duration_seconds')})", "probe of {{site}}"),
        ],
        (12, 8),
        "ms",
        limit=3000,
    )
    it.lines(
        "Event rates",
        "Items the collector accepted, by signal.",
        targets(
            (f"sum({rate('otelcol_receiver_accepted_spans_total')})", "spans"),
            (f"sum({rate('otelcol_receiver_accepted_log_records_total')})", "log records and events"),
            (f"sum({rate('otelcol_receiver_accepted_metric_points_total')})", "metric points"),
        ),
        (12, 8),
        "cps",
    )


def alerts(it):
    it.row("Alerts")
    it.stat(
        "Firing alerts",
        "Alerts that fire now, by severity.",
        f'count by (severity) ({FIRING}) or label_replace(vector(0), "severity", "none", "", "")',
        (6, 7),
        "short",
        steps("green", (1, "red")),
        legend="{{severity}}",
        text="value_and_name",
    )
    hidden = dict.fromkeys(["Time", "Value", "__name__", "rfc"], True)
    options = {"excludeByName": hidden, "indexByName": {}, "renameByName": RENAMED}
    it.table(
        "Alerts",
        "Alerts that fire or are about to. dashboards/runbooks.md says what to do.",
        target("A", f"ALERTS{{{ANY_ENVIRONMENT}}}", instant=True, form="table"),
        (18, 7),
        [{"id": "organize", "options": options}],
    )
