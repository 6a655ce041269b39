"""Sends spans, points and log records with all kinds of values by OpenTelemetry's own SDK: send.py grpc|http ADDRESS.

What is sent is what ../interop.rs expects of this SDK.
"""

import importlib
import sys

from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

transport, address = sys.argv[1], sys.argv[2]


def exporter(module, name, signal):
    found = getattr(importlib.import_module(f"opentelemetry.exporter.otlp.proto.{transport}.{module}"), name)
    if transport == "grpc":
        return found(endpoint=f"http://{address}", insecure=True)
    return found(endpoint=f"http://{address}/v1/{signal}")


class Ids(IdGenerator):
    """1111111111111111, 2222222222222222 and so on."""

    def __init__(self):
        self.spans = 0

    def generate_span_id(self):
        self.spans += 1
        return 0x1111111111111111 * self.spans

    def generate_trace_id(self):
        raise AssertionError("every span here has a parent")


VALUES = {
    "text": "größe €😀 \"\\\n",
    "empty": "",
    "yes": True,
    "no": False,
    "large": 2**60 + 1,
    "least": -(2**63),
    "tenth": 0.1,
    "huge": -1.5e300,
    "whole": 2.0,
    "infinite": float("inf"),
    "bytes": b"\x00\xff\x7f",
    "texts": ["a", "", "ä"],
    "numbers": [1, -2, 2**53 + 1],
    "doubles": [0.5, -0.25],
    "booleans": [True, False],
    "map": {"inner": {"deep": [1, "two", {"three": 3.5}]}, "bytes": b"\x01"},
}
START = 1_700_000_000_000_000_001
SCHEMA = "https://opentelemetry.io/schemas/1.30.0"
SCOPE = ("interop", "1.2.3", SCHEMA, {"scope.kind": "all"})

resource = Resource({"service.name": "interop", "hosts": ["a", "b"], "weight": 2.5}, "https://opentelemetry.io/schemas/1.31.0")
remote = SpanContext(
    trace_id=0x0102030405060708090A0B0C0D0E0F10,
    span_id=0x3132333435363738,
    is_remote=True,
    trace_flags=TraceFlags(TraceFlags.SAMPLED),
    trace_state=TraceState([("k", "v"), ("vendor", "a:b")]),
)
linked = SpanContext(
    trace_id=0xA1A2A3A4A5A6A7A8A9AAABACADAEAFB0,
    span_id=0xB1B2B3B4B5B6B7B8,
    is_remote=False,
    trace_flags=TraceFlags(0),
    trace_state=TraceState([("link", "1")]),
)
context = trace.set_span_in_context(NonRecordingSpan(remote))

tracers = TracerProvider(resource=resource, id_generator=Ids(), shutdown_on_exit=False)
tracers.add_span_processor(BatchSpanProcessor(exporter("trace_exporter", "OTLPSpanExporter", "traces")))
tracer = tracers.get_tracer(*SCOPE)
serve = tracer.start_span(
    "serve", context=context, kind=SpanKind.SERVER, attributes=VALUES, start_time=START, links=[Link(linked, {"why": "batch"})]
)
serve.add_event("half way", {"progress": 0.5, "names": ["x"]}, timestamp=START + 7)
serve.add_event("bare", timestamp=START + 8)
serve.set_status(Status(StatusCode.ERROR, "it broke: ä"))
inside = trace.set_span_in_context(serve)
fetch = tracer.start_span("fetch", context=inside, kind=SpanKind.CLIENT, start_time=START + 10)
fetch.set_status(Status(StatusCode.OK))
fetch.end(START + 20)
serve.end(START + 1_500_000_000)

reader = PeriodicExportingMetricReader(
    exporter("metric_exporter", "OTLPMetricExporter", "metrics"), export_interval_millis=float("inf")
)
views = [View(instrument_type=Histogram, instrument_name="size", aggregation=ExponentialBucketHistogramAggregation())]
meters = MeterProvider([reader], resource, views=views, shutdown_on_exit=False)
meter = meters.get_meter(*SCOPE)
route = {"route": "/a", "status": 200, "cached": False}
meter.create_counter("requests", "{request}", "How many.").add(2**53 + 1, route, context=inside)
meter.create_up_down_counter("queue", "{item}").add(-2.5, route)
latency = meter.create_histogram("latency", "ms", "How long.", explicit_bucket_boundaries_advisory=[1, 10, 100])
for value in [0.5, 7.25, 1000.0]:
    latency.record(value, route)
size = meter.create_histogram("size", "By")
for value in [0, 1, 2, 4]:
    size.record(value)
meter.create_gauge("temperature", "Cel").set(-21.5, {"room": "cellar"})
if not meters.force_flush():
    sys.exit("the points were not delivered")
meters.shutdown()

loggers = LoggerProvider(resource, shutdown_on_exit=False)
loggers.add_log_record_processor(BatchLogRecordProcessor(exporter("_log_exporter", "OTLPLogExporter", "logs")))
logger = loggers.get_logger(*SCOPE)
logger.emit(
    timestamp=START,
    observed_timestamp=START + 1,
    context=inside,
    severity_number=SeverityNumber.ERROR3,
    severity_text="worse",
    body="it broke: ä",
    attributes=VALUES,
)
logger.emit(
    timestamp=START + 2,
    observed_timestamp=START + 3,
    severity_number=SeverityNumber.INFO,
    body={"list": [1, "two", True, None, b"\x00"], "map": {"k": 2.5}},
    event_name="order.placed",
)
loggers.shutdown()
tracers.shutdown()
