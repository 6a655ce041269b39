"""Sends spans with OpenTelemetry's own SDK: send.py grpc|http ADDRESS COUNT."""

import sys

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

transport, address, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
if transport == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=f"http://{address}", insecure=True)
else:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=f"http://{address}/v1/traces")

provider = TracerProvider(resource=Resource.create({"service.name": "python-sdk"}))
provider.add_span_processor(BatchSpanProcessor(exporter))
tracer = provider.get_tracer("world")
for number in range(count):
    with tracer.start_as_current_span("work", attributes={"number": number, "path": "/items/é"}) as span:
        span.add_event("half way")
if not provider.force_flush():
    sys.exit("the spans were not delivered")
provider.shutdown()
