"""Dashboard 11, agent performance: agents that work in tasks, seen through their spans."""

from .parts import (
    ANY_ENVIRONMENT,
    RANGE,
    RATE,
    STEP,
    TEMPO,
    Board,
    increase,
    quantile,
    select,
    share,
    steps,
    target,
    targets,
    variable,
)

FILE = "agent-performance.json"

CALLS = "traces_span_metrics_calls_total"
DURATION = "traces_span_metrics_duration_milliseconds"
CHOSEN = 'service_name=~"$service",span_name=~"$operation"'
FAILED = CHOSEN + ',status_code="STATUS_CODE_ERROR"'
TRACES = (
    '{ span.task.id != "" && name =~ "task|phase .*" }'
    " | select(span.task.id, span.phase.name, span.phase.language, span.phase.framework)"
)


def board():
    of_service = 'service_name=~"$service"'
    it = Board(
        "phasor-agent-performance",
        "Agent performance",
        "Agents that work in tasks: how many, how well, how long. A task is a span named by the variable Operation; that "
        "of the phase store is `task`.",
        CALLS,
        "agents",
        variables=[
            variable("service", "Service", f"label_values({select(CALLS)}, service_name)"),
            variable(
                "operation", "Operation", f"label_values({select(CALLS, of_service)}, span_name)", ("task", "task")
            ),
        ],
    )
    tasks(it)
    agents(it)
    traces(it)
    return it


def tasks(it):
    ended = f"sum({increase(CALLS, RANGE, CHOSEN)})"
    it.row("Tasks")
    it.stat("Tasks per minute", "Tasks that ended, over the time range.", f"60 * {ended} / $__range_s", (6, 5))
    it.gauge(
        "Success",
        "Tasks whose span has no error, out of all in the time range.",
        f"1 - {share(increase(CALLS, RANGE, FAILED), increase(CALLS, RANGE, CHOSEN))}",
        (6, 5),
        "percentunit",
        (0, 1),
        steps("red", (0.5, "orange"), (0.8, "green")),
    )
    half = quantile(0.5, DURATION, RANGE, CHOSEN)
    it.stat("Median duration", "Half of the tasks of the time range took less.", half, (6, 5), "ms")
    it.stat("Tasks", "Tasks that ended in the time range.", ended, (6, 5))
    by_outcome = f"sum by (service_name, status_code) ({increase(CALLS, STEP, CHOSEN)})"
    it.counts(
        "Tasks by outcome",
        "Tasks per interval. Dots are single tasks; each opens its trace.",
        [target("A", by_outcome, "{{service_name}} {{status_code}}", exemplar=True)],
        (12, 8),
        stack=True,
        colours={".*_ERROR": "red", ".*_(UNSET|OK)": "green"},
    )
    percentiles = targets(*((quantile(q / 100, DURATION, RATE, CHOSEN), f"p{q}") for q in (50, 90, 95, 99)))
    # One of them is enough: all would bring the same dots.
    percentiles[-1]["exemplar"] = True
    it.lines("Task duration", "Percentiles. Dots are single tasks; each opens its trace.", percentiles, (12, 8), "ms")
    it.heatmap("Duration histogram", "How many tasks took how long.", DURATION, (12, 8), "ms", CHOSEN)
    events = increase("otelcol_receiver_accepted_log_records_total", STEP)
    it.counts(
        "Event store growth",
        "Events that the phase store and OTLP senders added.",
        targets((f"sum by (receiver) ({events})", "events of {{receiver}}")),
        (12, 8),
        stack=True,
    )


def agents(it):
    it.row("Agents")
    memory = f"sum by (job, instance) (process_memory_usage_bytes{{{ANY_ENVIRONMENT}}})"
    uptime = f"max by (job, instance) (process_uptime_seconds{{{ANY_ENVIRONMENT}}})"
    legend = "{{job}} {{instance}}"
    it.lines(
        "Memory",
        "Memory of each agent that reports `process.memory.usage`.",
        targets((memory, legend)),
        (12, 7),
        "bytes",
    )
    it.lines(
        "Uptime",
        "Time since each agent started, as it reports in `process.uptime`.",
        targets((uptime, legend)),
        (12, 7),
        "s",
    )


def traces(it):
    it.row("Traces")
    query = {
        "refId": "A",
        "datasource": TEMPO,
        "queryType": "traceql",
        "query": TRACES,
        "limit": 50,
        "tableType": "spans",
    }
    it.table("Traces by task", "The latest task spans; the trace id opens the trace.", query, (24, 9))
