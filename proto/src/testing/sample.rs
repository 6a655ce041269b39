//! Batches that look like those of real senders.

use crate::{
    batch::{AnyBatch, Batch, Logs, Metrics, SignalKind, Traces},
    encode::{self, AttributesWriter, ExponentialBuckets},
    testing::Random,
    view::{Number, Value},
};

/// Spans of an HTTP service: one resource, one scope. With 10 attributes a span has about 440 bytes.
pub fn traces(spans: usize, attributes_per_span: usize, seed: u64) -> Batch<Traces> {
    let mut random = Random(seed);
    encode::traces(|request| {
        request.resource(resource, |scopes| {
            scopes.scope("io.opentelemetry.http", "2.1.0", |out| {
                for index in 0..spans {
                    let (trace_id, span_id) = (random.id(), random.id());
                    let start_ns = START_NS + index as u64 * 1_000_000;
                    let duration_ns = random.below(2_000_000_000);
                    let name = random.of(ROUTES);
                    out.span(&trace_id, &span_id, name, |span| {
                        span.kind(2).times(start_ns, start_ns + duration_ns).flags(0x101);
                        if index % 2 == 1 {
                            span.parent(&random.id());
                        }
                        attributes(&mut span.attributes(), attributes_per_span, &mut random);
                        if index % 10 == 9 {
                            span.status(2, "upstream connect error");
                        }
                    });
                }
            });
        });
    })
}

/// Every field of a span, in one request: two resources, events, links, nested values, tracestate.
pub fn traces_of_all_kinds(seed: u64) -> Batch<Traces> {
    let mut random = Random(seed);
    encode::traces(|request| {
        for _ in 0..2 {
            request.resource(resource, |scopes| {
                scopes.schema_url("https://opentelemetry.io/schemas/1.37.0");
                for scope in ["one", "two"] {
                    scopes.scope(scope, "1", |out| {
                        out.schema_url("https://opentelemetry.io/schemas/1.36.0");
                        let (trace_id, other) = (random.id(), random.id());
                        out.span(&trace_id, &random.id(), "größer", |span| {
                            span.parent(&random.id()).trace_state("ot=th:8,k=v").flags(0x301).kind(3);
                            span.times(START_NS, START_NS + 17).status(1, "");
                            attributes(&mut span.attributes(), 5, &mut random);
                            nested(&mut span.attributes());
                            span.event("exception", START_NS + 3, |event| {
                                event.attributes().str("exception.type", "Timeout").bool("handled", true);
                            });
                            span.link(&other, &random.id(), |link| {
                                link.trace_state("a=b").flags(1).attributes().int("n", -1);
                            });
                        });
                    });
                }
            });
        }
    })
}

/// Cumulative counters with one point each per route and status, `points` in all.
pub fn metrics(points: usize, seed: u64) -> Batch<Metrics> {
    let mut random = Random(seed);
    encode::metrics(|request| {
        request.resource(resource, |scopes| {
            scopes.scope("io.opentelemetry.http", "2.1.0", |out| {
                out.metric("http.server.requests", "Requests.", "{request}", |metric| {
                    metric.sum(2, true, |sum| {
                        for index in 0..points {
                            let value = Number::Int(random.below(100_000) as i64);
                            sum.point(START_NS, START_NS + 60_000_000_000, value, |point| {
                                point
                                    .attributes()
                                    .str("http.route", random.of(ROUTES))
                                    .int("n", index as i64);
                            });
                        }
                    });
                });
            });
        });
    })
}

/// A gauge, a sum, a histogram and an exponential histogram, one or two points each, with exemplars.
pub fn metrics_of_all_kinds(seed: u64) -> Batch<Metrics> {
    let mut random = Random(seed);
    let time_ns = START_NS + 60_000_000_000;
    encode::metrics(|request| {
        request.resource(resource, |scopes| {
            scopes.scope("kinds", "1", |out| {
                out.metric("temperature", "In the room.", "Cel", |metric| {
                    metric.gauge(|gauge| {
                        gauge.point(0, time_ns, Number::Double(21.5), |point| {
                            point.attributes().str("room", "kitchen");
                        });
                        gauge.point(0, time_ns, Number::None, |point| {
                            point.flags(1).attributes().str("room", "cellar");
                        });
                    });
                });
                out.metric("orders", "", "{order}", |metric| {
                    metric.sum(2, true, |sum| {
                        sum.point(START_NS, time_ns, Number::Int(42), |point| {
                            point.attributes().str("shop", "north");
                            point.exemplar(time_ns - 5, Number::Int(1), |exemplar| {
                                exemplar.trace_context(&random.id(), &random.id());
                                exemplar.filtered_attributes().str("task.id", "00c0ffee00c0ffee");
                            });
                        });
                    });
                });
                out.metric("latency", "", "ms", |metric| {
                    metric.histogram(1, |histogram| {
                        histogram.point(START_NS, time_ns, &[1.0, 10.0, 100.0], &[1, 2, 3, 4], |point| {
                            point.sum(512.5).extremes(0.5, 300.0).attributes().str("shop", "north");
                            point.exemplar(time_ns - 5, Number::Double(7.5), |exemplar| {
                                exemplar.trace_context(&random.id(), &random.id());
                            });
                        });
                    });
                });
                out.metric("size", "", "By", |metric| {
                    metric.exponential_histogram(2, |histogram| {
                        let positive = ExponentialBuckets { offset: -3, counts: &[1, 0, 300] };
                        let negative = ExponentialBuckets { offset: 2, counts: &[5] };
                        histogram.point(START_NS, time_ns, -1, 9, positive, negative, |point| {
                            point.sum(1.25).extremes(-4.0, 9.0).zero_threshold(0.001);
                            point.attributes().str("shop", "north");
                        });
                    });
                });
            });
        });
    })
}

/// Log records of a service, every third an event, every second with a trace context.
pub fn logs(records: usize, seed: u64) -> Batch<Logs> {
    let mut random = Random(seed);
    encode::logs(|request| {
        request.resource(resource, |scopes| {
            scopes.scope("app", "1.4.2", |out| {
                for index in 0..records {
                    let time_ns = START_NS + index as u64 * 1_000_000;
                    out.log_record(time_ns, time_ns + 5_000, |record| {
                        record.severity(9, "INFO").body(Value::Str("request handled"));
                        if index % 3 == 0 {
                            record.event_name("rsolv.scan.complete");
                        }
                        if index % 2 == 0 {
                            record.trace_context(&random.id(), &random.id(), 1);
                        }
                        attributes(&mut record.attributes(), 4, &mut random);
                    });
                }
            });
        });
    })
}

/// A small batch of any signal, with `items` items.
pub fn any(kind: SignalKind, items: usize, seed: u64) -> AnyBatch {
    match kind {
        SignalKind::Traces => traces(items, 4, seed).into(),
        SignalKind::Metrics => metrics(items, seed).into(),
        SignalKind::Logs => logs(items, seed).into(),
    }
}

fn resource(out: &mut AttributesWriter<'_>) {
    out.str("service.name", "checkout")
        .str("service.namespace", "shop")
        .str("service.instance.id", "checkout-7d9f8b6c5-x2x4z")
        .str("deployment.environment.name", "production")
        .str("telemetry.sdk.language", "rust");
}

fn attributes(out: &mut AttributesWriter<'_>, count: usize, random: &mut Random) {
    for index in 0..count {
        match index {
            0 => out.str("http.request.method", random.of(&["GET", "POST", "PUT", "DELETE"])),
            1 => out.str("http.route", random.of(ROUTES)),
            2 => out.int("http.response.status_code", 200 + random.below(300) as i64),
            3 => out.str("server.address", random.of(&["shop.example.com", "api.example.com"])),
            4 => out.int("server.port", 8443),
            5 => out.str("url.path", random.of(ROUTES)),
            6 => {
                out.str("user_agent.original", random.of(&["Mozilla/5.0 (X11; Linux x86_64)", "curl/8.9.1"]))
            }
            7 => out.str("client.address", random.of(&["203.0.113.7", "198.51.100.23"])),
            8 => out.bool("cache.hit", random.below(2) == 1),
            9 => out.double("queue.seconds", random.below(1_000) as f64 / 1_000.0),
            _ => out.int(&format!("extra.{index}"), random.below(1_000) as i64),
        };
    }
}

fn nested(out: &mut AttributesWriter<'_>) {
    out.bytes("raw", &[0, 0xff])
        .array("list", |list| {
            list.str("ä").int(-5).double(f64::INFINITY).bool(false).value(Value::Empty);
            list.array(|inner| {
                inner.int(1);
            });
        })
        .map("map", |map| {
            map.str("k", "v").map("deeper", |deeper| {
                deeper.int("n", i64::MIN);
            });
        });
}

const START_NS: u64 = 1_760_000_000_000_000_000;

const ROUTES: &[&str] = &[
    "/api/v1/orders/{id}",
    "/api/v1/orders",
    "/api/v1/carts/{id}/items",
    "/healthz",
    "/api/v1/users/{id}/address",
];
