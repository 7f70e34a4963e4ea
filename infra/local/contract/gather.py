"""Finds out which ids exist, once and before anybody changes anything: every actor asks every route of the contract that lists
something, and the ids in the answers are theirs. hooks.py puts them into requests.

Called with the contract and the file that `BOOKBAG_ACTORS` names; the ids are written into the latter.
"""

import functools
import json
import os
import re
import sys

import requests
import yaml

ID = re.compile(r"\b([a-z]{3})_[0-9a-f]{32}\b")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        contract = yaml.safe_load(file)
    with open(os.environ["BOOKBAG_ACTORS"], encoding="utf-8") as file:
        actors = json.load(file)
    for name, who in actors.items():
        for path, item in contract["paths"].items():
            named = set(re.findall(r"{(\w+)}", path))
            if "get" not in item or scheme(item["get"], contract) != name.split("_")[0] or named - set(who["path"]):
                continue
            for query in queries(item, contract):
                gather(who, path.format(**who["path"]), query)
    with open(os.environ["BOOKBAG_ACTORS"], "w", encoding="utf-8") as file:
        json.dump(actors, file)


def gather(who, path, query):
    """The ids of one list, by prefix and by name, in the order in which they are listed."""
    headers = {"Authorization": f"Bearer {who['tokens'][0]}"}
    answer = requests.get(os.environ["BOOKBAG_API_URL"] + path, headers=headers, params=query, timeout=60)
    answer.raise_for_status()
    for known_as, id in named_ids(answer.json()):
        for key in (id[:3], known_as):
            ids = who["ids"].setdefault(key, [])
            if id not in ids and id not in who["withheld"]:
                ids.append(id)


def scheme(operation, contract):
    """The security that an operation names; None for a public one."""
    named = operation.get("security", contract.get("security", []))
    return next((name for one in named for name in one), None)


def named_ids(value, name=None):
    """Every id in an answer, with its name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from named_ids(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from named_ids(inner, name)
    elif isinstance(value, str):
        yield from ((name, found[0]) for found in ID.finditer(value))


def queries(item, contract):
    """How a list is asked: one kind after the other where it tells kinds apart, so that the same place in the list is the
    same kind of thing in every run."""

    def resolved(value):
        while "$ref" in value:
            value = functools.reduce(lambda part, name: part[name], value["$ref"].split("/")[1:], contract)
        return value

    for parameter in map(resolved, item["get"].get("parameters", [])):
        for kind in resolved(parameter["schema"]).get("enum", []):
            yield {"limit": 100, parameter["name"]: kind}
    yield {"limit": 100}


if __name__ == "__main__":
    main()
