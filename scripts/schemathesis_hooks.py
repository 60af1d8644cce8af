"""Makes requests reach more than the answer "not known": names that are made up become, two times in three, names that the
lab of schemathesis.sh has, and every idempotency key is a new one. What is no name stays as it was made up, so that a request
that is to be refused still is.

Every answer is noted in the file that SCHEMATHESIS_CALLS names, one line of JSON each, for schemathesis_coverage.py.
"""

import itertools
import json
import os
import random
import re

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

NAME = re.compile(r"[A-Za-z0-9_.:-]{1,63}")
KEY = re.compile(r"[!-~]{1,255}")

POPS = ["pop1", "pop2", "pop3"]
PORTS = ["Ethernet48", "Ethernet56", "Ethernet64", "Ethernet72"]
LINKS = ["pop1-pop2", "pop2-pop3", "pop1-pop3"]
CONNECTIONS = ["POP1-POP2-1", "LAB-vOp2", *(f"C-{number}" for number in range(3))]
OPERATORS = ["vOp1", "vOp2"]
KNOWN = {
    "pop": POPS,
    "pop_id": POPS,
    "pop_a": POPS,
    "pop_b": POPS,
    "a": POPS,
    "b": POPS,
    # Two that are not the same.
    "source_pop": POPS[:1],
    "destination_pop": POPS[1:],
    "router": ["router1"],
    "router_id": ["router1"],
    "interface": PORTS,
    "link": LINKS,
    "link_id": LINKS,
    "connection_id": CONNECTIONS,
    "vop_id": ["vOp8", "vOp9"],
    "virtual_operator": OPERATORS,
}
# What is new in what is added, by path.
OWN = {"/api/pops": "pop_id", "/api/links": "link_id", "/api/routers": "router_id", "/api/interfaces": "interface"}
# Steps that modules can make several of.
STEPS = [0.1, -0.1]
# Faults of the form that no schema states: fields that go together, or do not.
RELATIONS = re.compile(
    r"is empty|nothing is to change|nothing is asked for|ask for different things|cannot both be asked for"
    r"|is not .* of the path|is above|not one that an answer had|not a whole number of 1 MHz|appears twice|an empty list grants no spectrum"
)
# What `id` is, by what stands before it in the path.
IDS = {"pops": POPS, "links": LINKS, "connections": CONNECTIONS, "vops": OPERATORS, "topics": OPERATORS}

chance = random.Random(20251121)
numbers = itertools.count()
# How many names were replaced.
replaced = 0
calls = open(os.environ["SCHEMATHESIS_CALLS"], "a", encoding="utf-8")


def known(name, value, choices):
    """The value, or one that is there."""
    if isinstance(value, str) and NAME.fullmatch(value) and choices and chance.random() < 2 / 3:
        global replaced
        replaced += 1
        return chance.choice(choices)
    return value


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Path parameters of things that are there."""
    before = re.search(r"/(\w+)/\{id\}", context.operation.path)
    ids = IDS.get(before.group(1), []) if before else []
    return {
        name: known(name, value, ids if name == "id" else KNOWN.get(name))
        for name, value in (path_parameters or {}).items()
    }


@schemathesis.hook
def map_body(context, body):
    """Bodies that name things that are there."""
    if not isinstance(body, dict):
        return body
    if context.operation.path.endswith("/reconfigure") and chance.random() < 1 / 2:
        return {"reason": body.get("reason"), "tx_power_step_db": chance.choice(STEPS)}
    own = OWN.get(context.operation.path)
    return {name: value if name == own else known(name, value, KNOWN.get(name)) for name, value in body.items()}


@schemathesis.hook
def map_headers(context, headers):
    """Keys that no request had before."""
    for name, value in (headers or {}).items():
        if name.lower() == "idempotency-key" and isinstance(value, str) and KEY.fullmatch(value):
            headers[name] = f"key-{next(numbers)}"
    return headers


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """What a schema admits may be refused for what there is (no such channel on the grid, a key that was used before), but not
    for its form."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    problem = response.json()
    return problem["code"] in ("invalid_field", "malformed") and not RELATIONS.search(problem["error"])


@schemathesis.hook
def after_call(context, case, response):
    """Notes what was answered."""
    phase = case.meta.phase.name.value if case.meta else None
    line = {"method": case.method.upper(), "path": case.path, "status": response.status_code, "phase": phase, "replaced": replaced}
    print(json.dumps(line), file=calls, flush=True)
