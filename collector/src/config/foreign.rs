//! Components of the OpenTelemetry Collector (its contributions too) that are not here, and what stands in their place.
//!
//! **Not here:** those that are planned, and other names of those that are here; [`super::names`] has them.

use super::names::Class;

/// A component that the Collector has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// What to write instead, if there is anything.
    pub(crate) instead: Option<&'static str>,
}

/// Whether the Collector has a component of this type.
pub(crate) fn find(class: Class, kind: &str) -> Option<Foreign> {
    let instead = INSTEAD.iter().find(|(of, name, _)| *of == class && *name == kind);
    let instead = instead.map(|(_, _, instead)| *instead);
    let known = instead.is_some() || OTHERS.iter().any(|(of, names)| *of == class && names.contains(&kind));
    known.then_some(Foreign { instead })
}

/// Those with a replacement.
const INSTEAD: &[(Class, &str, &str)] = &[
    (Class::Receiver, "otelarrow", "`otlp` takes OTLP; senders of OTel Arrow fall back to it"),
    (Class::Receiver, "jaeger", "let the senders speak OTLP: `otlp`"),
    (Class::Receiver, "zipkin", "let the senders speak OTLP: `otlp`"),
    (Class::Receiver, "opencensus", "let the senders speak OTLP: `otlp`"),
    (Class::Processor, "queued_retry", "exporters have `sending_queue` and `retry_on_failure`"),
    (Class::Connector, "forward", "name the receivers in both pipelines, or the exporters in one"),
    (Class::Exporter, "logging", "it is called `debug` now"),
    (Class::Exporter, "nop", "`debug` takes all signals and keeps nothing"),
    (Class::Exporter, "jaeger", "Jaeger takes OTLP: write `otlp_grpc` or `otlp_http`"),
    (Class::Exporter, "jaeger_thrift", "Jaeger takes OTLP: write `otlp_grpc` or `otlp_http`"),
    (Class::Exporter, "loki", "Loki takes OTLP: write `otlp_http` with the endpoint http://loki:3100/otlp"),
    (Class::Exporter, "otelarrow", "write `otlp_grpc`"),
    (Class::Exporter, "opencensus", "write `otlp_grpc`"),
    (Class::Extension, "zpages", "`/debug/pipelines` shows what runs, on the port of `health_check`"),
    (Class::Extension, "healthcheckv2", "write `health_check`"),
    (Class::Extension, "memory_ballast", "leave it out; `memory_limiter` bounds the memory"),
    (Class::Extension, "memory_limiter", "write the processor `memory_limiter`"),
    (Class::Extension, "db_storage", "write `file_storage`"),
    (Class::Extension, "redis_storage", "write `file_storage`"),
    (Class::Extension, "headers_setter", "exporters have `headers`"),
];

/// The others, as far as their names are likely to be met.
#[rustfmt::skip]
const OTHERS: &[(Class, &[&str])] = &[
    (
        Class::Receiver,
        &[
            "nop", "active_directory_ds", "aerospike", "apache", "awscloudwatch", "awscontainerinsightreceiver",
            "awsecscontainermetrics", "awsfirehose", "awsxray", "azureblob", "azureeventhub", "azuremonitor",
            "carbon", "chrony", "cloudfoundry", "collectd", "couchdb", "datadog", "docker_stats", "elasticsearch",
            "envoyals", "faro", "filelog", "file_log", "filestats", "flinkmetrics", "fluentforward", "github",
            "googlecloudpubsub", "googlecloudspanner", "haproxy", "httpcheck", "iis", "influxdb", "jmx", "journald",
            "k8s_cluster", "k8s_events", "k8sobjects", "kafka", "kafkametrics", "kubeletstats", "libhoney", "loki",
            "memcached", "mongodb", "mongodbatlas", "mysql", "namedpipe", "netflow", "nginx", "ntp", "oracledb",
            "osquery", "otlpjsonfile", "postgresql", "prometheus_simple", "prometheusremotewrite", "pulsar",
            "purefa", "rabbitmq", "receiver_creator", "redis", "sapm", "signalfx", "simpleprometheus", "skywalking",
            "snmp", "solace", "splunk_hec", "splunkenterprise", "sqlquery", "sqlserver", "sshcheck", "statsd",
            "stef", "syslog", "systemd", "tcpcheck", "tcplog", "tlscheck", "udplog", "vcenter", "wavefront",
            "webhookevent", "windowseventlog", "windowsperfcounters", "windowsservice", "zookeeper",
        ],
    ),
    (
        Class::Processor,
        &[
            "cumulativetodelta", "deltatocumulative", "deltatorate", "dnslookup", "geoip", "groupbyattrs",
            "isolationforest", "k8sattributes", "k8s_attributes", "logdedup", "logstransform", "lookup",
            "metricsgeneration", "metricstarttime", "metricstransform", "redaction", "remotetap",
            "resourcedetection", "resource_detection", "routing", "schema", "span", "spanpruning", "sumologic",
            "unroll",
        ],
    ),
    (
        Class::Connector,
        &[
            "count", "datadog", "exceptions", "failover", "grafanacloud", "metricsaslogs", "otlpjson", "roundrobin",
            "routing", "signaltometrics", "signal_to_metrics", "slowsql", "spanmetricsv2", "sum",
        ],
    ),
    (
        Class::Exporter,
        &[
            "alertmanager", "alibabacloud_logservice", "awscloudwatchlogs", "awsemf", "awskinesis", "awss3",
            "awsxray", "azureblob", "azuredataexplorer", "azuremonitor", "bmchelix", "carbon", "cassandra",
            "clickhouse", "coralogix", "datadog", "dataset", "doris", "elasticsearch", "faro", "googlecloud",
            "googlecloudpubsub", "googlecloudstorage", "googlemanagedprometheus", "honeycombmarker", "influxdb",
            "instana", "kafka", "kinetica", "load_balancing", "loadbalancing", "logicmonitor", "logzio", "mezmo",
            "opensearch", "otlpjsonfile", "parquet", "pulsar", "rabbitmq", "sapm", "sematext", "sentry", "signalfx",
            "splunk_hec", "stef", "sumologic", "syslog", "tencentcloud_logservice", "tinybird", "wavefront",
            "zipkin",
        ],
    ),
    (
        Class::Extension,
        &[
            "nop", "ack", "asapclient", "awsproxy", "azure_auth", "azureauth", "cfgardenobserver", "cgroupruntime",
            "docker_observer", "ecs_observer", "ecs_task_observer", "encoding", "googleclientauth", "host_observer",
            "http_forwarder", "jaegerremotesampling", "k8s_leader_elector", "k8s_observer", "kafka_topics_observer",
            "oauth2client", "oidc", "opamp", "otlp_encoding", "pprof", "remotetap", "sigv4auth",
            "solarwindsapmsettings", "sumologic",
        ],
    ),
];
