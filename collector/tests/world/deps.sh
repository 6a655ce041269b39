#!/bin/sh
# Puts what the world tests need into the folder $1: Debian's Prometheus, unpacked and not installed (so that no
# service starts), and a Python environment with the OpenTelemetry SDK and the OpenMetrics parser.
set -eu
to=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$to"
to=$(cd "$to" && pwd)

if ! [ -x "$to/usr/bin/promtool" ]; then
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    cd "$to"
    apt-get download prometheus 2>/dev/null || { $sudo apt-get update -q && apt-get download prometheus; }
    dpkg-deb -x prometheus_*.deb "$to"
    rm prometheus_*.deb
fi

[ -x "$to/python/bin/python" ] || python3 -m venv "$to/python"
"$to/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
"$to/usr/bin/prometheus" --version 2>&1 | head -n 1
