"""Reads an OpenMetrics page with the strict parser and prints how many families it holds."""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

print(len(list(text_string_to_metric_families(sys.stdin.read()))))
