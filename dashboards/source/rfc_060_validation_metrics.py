"""Dashboard 1, RFC-060: validations and mitigations. Exactly twelve panels."""

from .parts import RANGE, RATE, STEP, Board, increase, mean, quantile, share, steps, target, targets

FILE = "rfc-060-validation-metrics.json"

VALIDATIONS = "rsolv_validation_executions_total"
MITIGATIONS = "rsolv_mitigation_executions_total"
SCANS = "rsolv_scan_executions_total"
DURATION = "rsolv_validation_duration_milliseconds"
TRUST = "rsolv_mitigation_trust_score_value"
COMPLETED = 'status="completed"'
NOT_COMPLETED = 'status!="completed"'


def board():
    it = Board(
        "rfc-060-validation",
        "RFC-060 validation metrics",
        "Validations and mitigations: how many, how well, how long. A series that began within the time range counts "
        "from zero. The dots on durations, trust scores and activity open the trace of the phase.",
        VALIDATIONS,
        "rfc-060",
    )
    totals(it)
    distributions(it)
    breakdowns(it)
    return it


def totals(it):
    it.gauge(
        "Validation success rate",
        "Completed validations out of all in the time range. ValidationSuccessRateLow fires below 50 %.",
        share(increase(VALIDATIONS, RANGE, COMPLETED), increase(VALIDATIONS, RANGE)),
        (6, 7),
        "percentunit",
        (0, 1),
        steps("red", (0.5, "orange"), (0.8, "green")),
    )
    for kind, metric in (("validation", VALIDATIONS), ("mitigation", MITIGATIONS)):
        it.stat(
            f"Total {kind} executions",
            f"{kind.capitalize()} phases stored in the time range, whatever became of them.",
            f"sum({increase(metric, RANGE)})",
            (6, 7),
        )
    it.gauge(
        "Trust score",
        "Mean trust score of the mitigations in the time range. MitigationTrustScoreLow fires below 60.",
        mean(TRUST, RANGE),
        (6, 7),
        "none",
        (0, 100),
        steps("red", (60, "orange"), (80, "green")),
    )


def distributions(it):
    it.lines(
        "Average validation duration",
        "Mean and 95th percentile. A percentile cannot exceed the last bucket, 300 s. ValidationDurationHigh fires at a "
        "mean above 300 s.",
        [
            target("A", mean(DURATION, RATE), "mean"),
            target("B", quantile(0.95, DURATION, RATE), "p95", exemplar=True),
        ],
        (12, 8),
        "ms",
        limit=300000,
        calcs=["mean", "lastNotNull"],
    )
    it.heatmap(
        "Validation duration histogram",
        "How many validations took how long. Dots are single validations; each opens its trace.",
        DURATION,
        (12, 8),
        "ms",
    )
    it.heatmap(
        "Trust score distribution",
        "How many mitigations had which trust score. Dots are single mitigations; each opens its trace.",
        TRUST,
        (12, 8),
        "none",
    )
    it.counts(
        "Tests generated vs passed",
        "Tests that validations generated, and how they ended.",
        targets(
            (f"sum({increase('rsolv_validation_test_generated_total', STEP)})", "generated"),
            (f"sum({increase('rsolv_validation_tests_passed_total', STEP)})", "passed"),
            (f"sum({increase('rsolv_validation_tests_failed_total', STEP)})", "failed"),
            exemplar=True,
        ),
        (12, 8),
        colours={"generated": "blue", "passed": "green", "failed": "red"},
    )


def breakdowns(it):
    for label in ("language", "framework"):
        it.pie(
            f"{label.capitalize()} breakdown",
            f"Validations in the time range by {label}.",
            f"sum by ({label}) ({increase(VALIDATIONS, RANGE)}) > 0",
            "{{" + label + "}}",
            (6, 8),
        )
    it.counts(
        "Recent activity timeline",
        "Phases stored, by kind. Dots are single phases; each opens its trace.",
        targets(
            (f"sum({increase(SCANS, STEP)})", "scans"),
            (f"sum({increase(VALIDATIONS, STEP)})", "validations"),
            (f"sum({increase(MITIGATIONS, STEP)})", "mitigations"),
            exemplar=True,
        ),
        (12, 8),
        stack=True,
        colours={"scans": "blue", "validations": "green", "mitigations": "purple"},
    )
    it.lines(
        "Error rate",
        "Phases that failed or timed out, out of all.",
        targets(
            (share(increase(VALIDATIONS, RATE, NOT_COMPLETED), increase(VALIDATIONS, RATE)), "validations"),
            (share(increase(MITIGATIONS, RATE, NOT_COMPLETED), increase(MITIGATIONS, RATE)), "mitigations"),
        ),
        (24, 8),
        "percentunit",
        limit=0.5,
        high=1,
        calcs=["mean", "lastNotNull"],
    )
