#!/bin/sh
# Puts what the world tests need into the folder $1: Debian's Prometheus, Alertmanager, exporters and docker-compose,
# unpacked and not installed (so that no service starts), a Python environment with the OpenTelemetry SDK, the
# OpenMetrics parser and what docker-compose is made of, and by npm Grafana's types for dashboards and the OpenTelemetry
# SDK for JavaScript.
set -eu
to=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$to"
to=$(cd "$to" && pwd)

unpack() { # PACKAGE FILE: unpacks PACKAGE unless it has brought FILE already
    [ -e "$to/$2" ] && return
    cd "$to"
    apt-get download "$1" 2>/dev/null || { $sudo apt-get update -q && apt-get download "$1"; }
    dpkg-deb -x "$1"_*.deb "$to"
    rm "$1"_*.deb
}

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
unpack prometheus usr/bin/promtool
unpack prometheus-alertmanager usr/bin/amtool
unpack prometheus-node-exporter usr/bin/prometheus-node-exporter
unpack prometheus-blackbox-exporter usr/bin/prometheus-blackbox-exporter
# Debian's Alertmanager looks for its templates at this place only.
templates=usr/share/prometheus/alertmanager
if ! [ -e "/$templates/default.tmpl" ]; then
    $sudo mkdir -p "/$templates"
    $sudo cp "$to/$templates/"*.tmpl "/$templates/"
fi
unpack docker-compose usr/lib/python3/dist-packages/compose

[ -x "$to/python/bin/python" ] || python3 -m venv "$to/python"
"$to/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
npm install --prefix "$to/node" --silent --no-audit --no-fund --ignore-scripts \
    @grafana/schema@13.2.1 typescript@5.9.3 \
    @opentelemetry/api@1.10.0 @opentelemetry/resources@3.1.0 \
    @opentelemetry/sdk-trace@3.1.0 @opentelemetry/sdk-metrics@3.1.0 @opentelemetry/sdk-logs@3.1.0 \
    @opentelemetry/exporter-trace-otlp-grpc@0.301.0 @opentelemetry/exporter-metrics-otlp-grpc@0.301.0 \
    @opentelemetry/exporter-logs-otlp-grpc@0.301.0 \
    @opentelemetry/exporter-trace-otlp-proto@0.301.0 @opentelemetry/exporter-metrics-otlp-proto@0.301.0 \
    @opentelemetry/exporter-logs-otlp-proto@0.301.0 \
    @opentelemetry/exporter-trace-otlp-http@0.301.0 @opentelemetry/exporter-metrics-otlp-http@0.301.0 \
    @opentelemetry/exporter-logs-otlp-http@0.301.0
"$to/usr/bin/prometheus" --version 2>&1 | head -n 1
