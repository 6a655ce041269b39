#!/usr/bin/env python3
"""Writes the dashboards in dashboards/grafana/dashboards from their source in dashboards/source.

    python3 dashboards/generate.py           writes them
    python3 dashboards/generate.py --check   says which committed file differs from its source, and fails if one does

Both are committed: Grafana reads the JSON, people change the source. Standard library only.
"""

import json
import sys
from pathlib import Path

# No __pycache__ in the repository.
sys.dont_write_bytecode = True

from source import agent_performance, collector, project_health, rfc_060_validation_metrics, system_health  # noqa: E402

BOARDS = [rfc_060_validation_metrics, project_health, agent_performance, system_health, collector]
FOLDER = Path(__file__).parent / "grafana" / "dashboards"


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    texts = {FOLDER / module.FILE: json.dumps(module.board().json(), indent=2) + "\n" for module in BOARDS}
    if not sys.argv[1:]:
        for file, text in texts.items():
            file.write_text(text, encoding="utf-8")
        return
    committed = {file: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.json")}
    differing = [file.name for file in sorted({*texts, *committed}) if texts.get(file) != committed.get(file)]
    if differing:
        sys.exit(f"differs from its source, run dashboards/generate.py: {', '.join(differing)}")


if __name__ == "__main__":
    main()
