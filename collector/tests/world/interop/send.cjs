// Sends spans, points and log records with all kinds of values by OpenTelemetry's own SDK:
// node send.cjs NODE_MODULES grpc|proto|http ADDRESS. The third one is HTTP/JSON.
// What is sent is what ../interop.rs expects of this SDK.
const path = require("path");
const [modules, transport, address] = process.argv.slice(2);
const load = (name) => require(path.join(modules, "@opentelemetry", name));

const { ROOT_CONTEXT, SpanKind, SpanStatusCode, SeverityNumber, ValueType, createTraceState, trace } = load("api");
const { resourceFromAttributes } = load("resources");
const { BatchSpanProcessor, TracerProvider } = load("sdk-trace");
const { AggregationType, MeterProvider, PeriodicExportingMetricReader } = load("sdk-metrics");
const { BatchLogRecordProcessor, LoggerProvider } = load("sdk-logs");

const exporter = (signal, plural, name) => {
  const url = transport === "grpc" ? `http://${address}` : `http://${address}/v1/${plural}`;
  return new (load(`exporter-${signal}-otlp-${transport}`)[name])({ url });
};

const VALUES = {
  text: "größe €😀 \"\\\n",
  empty: "",
  yes: true,
  no: false,
  // A number is a double here, and written in JSON with no more digits than tell it from its neighbours.
  large: 2 ** 53,
  least: Number.MIN_SAFE_INTEGER,
  tenth: 0.1,
  huge: -1.5e-300,
  bytes: new Uint8Array([0, 255, 127]),
  texts: ["a", "", "ä"],
  numbers: [1, -2, 2 ** 53],
  doubles: [0.5, -0.25],
  booleans: [true, false],
  map: { inner: { deep: [1, "two", { three: 3.5 }] }, bytes: new Uint8Array([1]) },
};
const at = (nanos) => [1_700_000_000, 1 + nanos];
const SCHEMA = "https://opentelemetry.io/schemas/1.30.0";
const SCOPE = ["interop", "1.2.3", { schemaUrl: SCHEMA }];

const resource = resourceFromAttributes(
  { "service.name": "interop", hosts: ["a", "b"], weight: 2.5 },
  { schemaUrl: "https://opentelemetry.io/schemas/1.31.0" },
);
const remote = trace.setSpanContext(ROOT_CONTEXT, {
  traceId: "0102030405060708090a0b0c0d0e0f10",
  spanId: "3132333435363738",
  isRemote: true,
  traceFlags: 1,
  traceState: createTraceState("k=v,vendor=a:b"),
});
const linked = {
  traceId: "a1a2a3a4a5a6a7a8a9aaabacadaeafb0",
  spanId: "b1b2b3b4b5b6b7b8",
  traceFlags: 0,
  traceState: createTraceState("link=1"),
};

let spans = 0;
const idGenerator = {
  generateSpanId: () => String(++spans).repeat(16),
  generateTraceId: () => {
    throw new Error("every span here has a parent");
  },
};
const tracers = new TracerProvider({
  resource,
  idGenerator,
  spanProcessors: [new BatchSpanProcessor({ exporter: exporter("trace", "traces", "OTLPTraceExporter") })],
});
const tracer = tracers.getTracer(...SCOPE);
const links = [{ context: linked, attributes: { why: "batch" } }];
const options = { kind: SpanKind.SERVER, attributes: VALUES, startTime: at(0), links };
const serve = tracer.startSpan("serve", options, remote);
serve.addEvent("half way", { progress: 0.5, names: ["x"] }, at(7));
serve.addEvent("bare", at(8));
serve.setStatus({ code: SpanStatusCode.ERROR, message: "it broke: ä" });
const inside = trace.setSpan(ROOT_CONTEXT, serve);
const fetch = tracer.startSpan("fetch", { kind: SpanKind.CLIENT, startTime: at(10) }, inside);
fetch.setStatus({ code: SpanStatusCode.OK });
fetch.end(at(20));
serve.end([1_700_000_001, 500_000_001]);

const meters = new MeterProvider({
  resource,
  views: [{ instrumentName: "size", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  readers: [
    new PeriodicExportingMetricReader({
      exporter: exporter("metrics", "metrics", "OTLPMetricExporter"),
      exportIntervalMillis: 1_000_000,
      exportTimeoutMillis: 30_000,
    }),
  ],
});
const meter = meters.getMeter(...SCOPE);
const route = { route: "/a", status: 200, cached: false };
const whole = { unit: "{request}", description: "How many.", valueType: ValueType.INT };
meter.createCounter("requests", whole).add(2 ** 53, route, inside);
meter.createUpDownCounter("queue", { unit: "{item}" }).add(-2.5, route);
const advice = { explicitBucketBoundaries: [1, 10, 100] };
const latency = meter.createHistogram("latency", { unit: "ms", description: "How long.", advice });
for (const value of [0.5, 7.25, 1000]) latency.record(value, route);
const size = meter.createHistogram("size", { unit: "By" });
for (const value of [0, 1, 2, 4]) size.record(value);
meter.createGauge("temperature", { unit: "Cel" }).record(-21.5, { room: "cellar" });

const loggers = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: exporter("logs", "logs", "OTLPLogExporter") })],
});
const logger = loggers.getLogger(...SCOPE);
logger.emit({
  timestamp: at(0),
  observedTimestamp: at(1),
  context: inside,
  severityNumber: SeverityNumber.ERROR3,
  severityText: "worse",
  body: "it broke: ä",
  attributes: VALUES,
});
logger.emit({
  timestamp: at(2),
  observedTimestamp: at(3),
  context: ROOT_CONTEXT,
  severityNumber: SeverityNumber.INFO,
  body: { list: [1, "two", true, null, new Uint8Array([0])], map: { k: 2.5 } },
  eventName: "order.placed",
});

// One after the other, so that a failure is seen.
(async () => {
  await tracers.shutdown();
  await meters.shutdown();
  await loggers.shutdown();
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
