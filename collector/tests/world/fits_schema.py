"""Checks YAML files against a JSON schema: fits_schema.py SCHEMA FILE... names every fault and ends with 1 if there is one."""

import json
import sys

import jsonschema
import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
faults = 0
for name in sys.argv[2:]:
    with open(name, encoding="utf-8") as file:
        for fault in validator.iter_errors(yaml.safe_load(file)):
            faults += 1
            path = ".".join(str(key) for key in fault.absolute_path)
            print(f"{name}: {path}: {fault.message[:200]}")
print(f"{len(sys.argv) - 2} files, {faults} faults")
sys.exit(1 if faults else 0)
