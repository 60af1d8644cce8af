"""Makes requests reach more than the answer "not known": names that are made up become, two times in three, names that the
lab of schemathesis.sh has, and every idempotency key is a new one. What is no name stays as it was made up, so that a request
that is to be refused still is.
"""

import itertools
import random
import re

import schemathesis

NAME = re.compile(r"[A-Za-z0-9_.:-]{1,63}")
KEY = re.compile(r"[!-~]{1,255}")

POPS = ["pop1", "pop2", "pop3"]
PORTS = ["Ethernet48", "Ethernet56", "Ethernet64", "Ethernet72"]
LINKS = ["pop1-pop2", "pop2-pop3", "pop1-pop3"]
CONNECTIONS = [f"C-{number}" for number in range(4)]
OPERATORS = ["vOp1", "vOp2"]
KNOWN = {
    "pop": POPS,
    "pop_id": POPS,
    "pop_a": POPS,
    "pop_b": POPS,
    "a": POPS,
    "b": POPS,
    "source_pop": POPS,
    "destination_pop": POPS,
    "router": ["router1"],
    "router_id": ["router1"],
    "interface": PORTS,
    "link": LINKS,
    "link_id": LINKS,
    "connection_id": CONNECTIONS,
    "vop_id": ["vOp8", "vOp9"],
    "virtual_operator": OPERATORS,
}
# What `id` is, by what stands before it in the path.
IDS = {"pops": POPS, "links": LINKS, "connections": CONNECTIONS, "vops": OPERATORS, "topics": OPERATORS}

chance = random.Random(20251121)
numbers = itertools.count()


def known(name, value, choices):
    """The value, or one that is there."""
    if isinstance(value, str) and NAME.fullmatch(value) and choices and chance.random() < 2 / 3:
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
    return {name: known(name, value, KNOWN.get(name)) for name, value in body.items()}


@schemathesis.hook
def map_headers(context, headers):
    """Keys that no request had before."""
    for name, value in (headers or {}).items():
        if name.lower() == "idempotency-key" and isinstance(value, str) and KEY.fullmatch(value):
            headers[name] = f"key-{next(numbers)}"
    return headers
