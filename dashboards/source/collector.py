"""Dashboard 13, the collector itself: what comes in, what goes out, what waits, what was refused or lost."""

from .parts import RANGE, STEP, Board, increase, joined, rate, select, steps, targets, words

FILE = "collector.json"

# The signals as the Collector's metric names have them, and as legends do.
SIGNALS = {"spans": "spans", "metric_points": "points", "log_records": "records"}
# Those that an exporter of the stack takes.
EXPORTED = {"spans": "spans", "metric_points": "points"}
SEND_FAILED = "otelcol_exporter_send_failed_{}_total"
ENQUEUE_FAILED = "otelcol_exporter_enqueue_failed_{}_total"


def board():
    it = Board(
        "phasor-collector",
        "Collector",
        "The collector itself: what comes in, what goes out, what waits, what was refused or lost.",
        "up",
        "collector",
        time="now-1h",
        refresh="15s",
    )
    now(it)
    throughput(it)
    trouble(it)
    journal_and_memory(it)
    endpoint(it)
    return it


def now(it):
    it.row("Now")
    it.stat(
        "Ready",
        "Whether the collector takes data and its numbers are complete.",
        f"min({select('phasor_ready')})",
        unit="none",
        thresholds=steps("red", (1, "green")),
        mappings=words("no", "yes"),
    )
    it.stat("Uptime", "Since the process started.", f"min({select('otelcol_process_uptime_seconds_total')})", unit="s")
    accepted = joined((signal, rate(f"otelcol_receiver_accepted_{signal}_total")) for signal in SIGNALS)
    it.stat("Accepted", "Items accepted a second, all signals.", f"sum({accepted})", unit="cps", sparkline=True)
    refused = joined((signal, counted(f"otelcol_receiver_refused_{signal}_total", RANGE)) for signal in SIGNALS)
    it.stat(
        "Refused",
        "Items refused in the time range; senders were told to try again, or why not.",
        f"sum({refused})",
        thresholds=steps("green", (1, "orange")),
    )
    failed = [(f"send_failed {signal}", increase(SEND_FAILED.format(signal), RANGE)) for signal in EXPORTED]
    dropped = [(f"enqueue_failed {signal}", counted(ENQUEUE_FAILED.format(signal), RANGE)) for signal in EXPORTED]
    it.stat(
        "Given up",
        "Items in the time range that a destination refused for good, or that an exporter dropped because it lagged too far.",
        f"sum({joined(failed + dropped, 'why')})",
        thresholds=steps("green", (1, "red")),
    )
    series = f"sum({select('phasor_prometheus_exporter_series')})"
    it.stat("Series", "Series on the Prometheus endpoint.", series, sparkline=True)


def throughput(it):
    it.row("Throughput")
    it.lines(
        "Accepted by receiver",
        "Items answered with success.",
        targets(*by_receiver("accepted", "")),
        (12, 8),
        "cps",
    )
    sent = [
        (f"sum by (exporter) ({rate(f'otelcol_exporter_sent_{signal}_total')})", "{{exporter}} " + name)
        for signal, name in EXPORTED.items()
    ]
    it.lines("Sent by exporter", "Items delivered to the destination.", targets(*sent), (12, 8), "cps")
    consumed = f"sum by (connector, otel_signal) ({rate('otelcol_connector_consumed_items_total')})"
    it.lines(
        "Connectors",
        "Items that became metrics.",
        targets((consumed, "{{connector}} {{otel_signal}}")),
        (12, 7),
        "cps",
    )
    came, went, refused = (
        f"sum by (processor, otel_signal) ({rate(f'otelcol_processor_{what}_items_total')})"
        for what in ("incoming", "outgoing", "refused")
    )
    legend = "{{processor}} {{otel_signal}} "
    it.lines(
        "Processors",
        "Items left out (in minus out) and refused.",
        targets((f"{came} - {went}", legend + "in - out"), (refused, legend + "refused")),
        (12, 7),
        "cps",
    )


def trouble(it):
    it.row("What waits, what went wrong")
    size, capacity = select("otelcol_exporter_queue_size"), select("otelcol_exporter_queue_capacity")
    lag = f"max by (exporter, data_type) ({size} / {capacity})"
    it.lines(
        "Queue lag",
        "Bytes between each exporter and the end of its pipeline, as a share of what it may lag. ExporterLagHigh fires "
        "above 80 %.",
        targets((lag, "{{exporter}} {{data_type}}")),
        (12, 8),
        "percentunit",
        limit=0.8,
        high=1,
    )
    retries = f"sum by (exporter, data_type) ({rate('phasor_exporter_retries_total')})"
    it.lines("Retries", "Requests sent again.", targets((retries, "{{exporter}} {{data_type}}")), (12, 8), "reqps")
    it.lines(
        "Refusals",
        "Items declined: over a limit, malformed, or of no use.",
        targets(*by_receiver("refused", " refused"), *by_receiver("failed", " failed")),
        (8, 8),
        "cps",
    )
    refused = [
        (
            f"sum by (exporter, error_type) ({increase(SEND_FAILED.format(signal), STEP)})",
            f"{{{{exporter}}}} {name} refused {{{{error_type}}}}",
        )
        for signal, name in EXPORTED.items()
    ]
    dropped = [
        (f"sum by (exporter) ({counted(ENQUEUE_FAILED.format(signal), STEP)})", f"{{{{exporter}}}} {name} dropped")
        for signal, name in EXPORTED.items()
    ]
    it.counts(
        "Losses",
        "Items that a destination refused for good, and items dropped because an exporter lagged too far.",
        targets(*refused, *dropped),
        (8, 8),
        stack=True,
    )
    letters = f"sum by (exporter, outcome) ({counted('phasor_exporter_dead_letters_total', STEP)})"
    it.counts(
        "Dead letters",
        "Refused requests that were kept on disk, and those for which there was no room or the disk failed. `phasor journal "
        "dead-letters` lists them.",
        targets((letters, "{{exporter}} {{outcome}}")),
        (8, 8),
        stack=True,
        colours={".* kept": "orange", ".* (full|storage)": "red"},
    )


def journal_and_memory(it):
    it.row("Journal and memory")
    it.lines(
        "Journal",
        "Requests taken and declined.",
        targets(
            (f"sum({rate('phasor_journal_appends_total')})", "taken"),
            (f"sum({rate('phasor_journal_refusals_total')})", "declined"),
        ),
        (8, 8),
        "reqps",
    )
    used, limit = select("phasor_memory_budget_used_bytes"), select("phasor_memory_budget_limit_bytes")
    it.lines(
        "Memory budget",
        "What each part of the budget holds, as a share of what it may.",
        targets((f"max by (part) ({used} / {limit})", "{{part}}")),
        (8, 8),
        "percentunit",
        limit=0.9,
        high=1,
    )
    it.lines(
        "Bytes in memory",
        "The journal's tail and the series table.",
        targets(
            (f"sum({select('phasor_journal_tail_bytes')})", "journal"),
            (f"sum({select('phasor_prometheus_exporter_memory_bytes')})", "series table"),
        ),
        (8, 8),
        "bytes",
    )


def endpoint(it):
    it.row("The Prometheus endpoint")
    of_collector = 'job="phasor"'
    duration = f"max by (job) ({select('scrape_duration_seconds', of_collector)})"
    it.lines("Scrape cost", "Time Prometheus waits for a scrape.", targets((duration, "{{job}}")), (8, 8), "s")
    it.lines(
        "Scrape size",
        "Samples of a scrape, and series in the table.",
        targets(
            (f"max({select('scrape_samples_scraped', of_collector)})", "samples"),
            (f"sum({select('phasor_prometheus_exporter_series')})", "series"),
            (f"sum({select('phasor_prometheus_exporter_hidden_series')})", "series in overflow"),
        ),
        (8, 8),
        "short",
    )
    it.lines(
        "Points left out",
        "Points that became no sample, by reason, and points added to an overflow series.",
        targets(
            (f"sum by (reason) ({rate('phasor_prometheus_exporter_dropped_points_total')})", "{{reason}}"),
            (f"sum({rate('phasor_prometheus_exporter_overflowed_points_total')})", "overflow"),
        ),
        (8, 8),
        "cps",
    )


def counted(metric, window):
    """What was counted within the window, by a series that is there from the start."""
    return f"increase({select(metric)}[{window}])"


def by_receiver(outcome, suffix):
    """(expression, legend) for each signal."""
    return [
        (
            f"sum by (receiver, transport) ({rate(f'otelcol_receiver_{outcome}_{signal}_total')})",
            f"{{{{receiver}}}} {{{{transport}}}} {name}{suffix}",
        )
        for signal, name in SIGNALS.items()
    ]
