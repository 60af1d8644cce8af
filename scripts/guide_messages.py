"""The operator guide's messages as somebody who has only the guide would check them.

Written from the guide's sections 9 and 10, not from this project's code: field names, types, finite numbers.
"""

import json
import math

from client_checks import expect, expect_equal

VOP = "vOp2"

# What a command names besides its action and id: a connection, endpoints with these fields.
ENDPOINT = {"pop_id", "node_id", "port_id"}
COMMANDS = {
    "setupConnection": ("connection_id", ENDPOINT | {"frequency", "tx_power_level"}),
    "reconfigConnection": ("connection_id", ENDPOINT | {"tx_power_level"}),
    "teardownConnection": ("connection_id", None),
    "interfaceControl": ("interface", None),
    "discover": (None, None),
    "healthCheck": (None, None),
    "getCapabilities": (None, None),
}

SENDER = {"agent_id", "pop_id", "router_id", "virtual_operator", "timestamp"}
MONITORING = {
    "commandAck": SENDER | {"command_id", "action", "status", "details"},
    "telemetrySample": {"connection_id", "agent_id", "interface", "timestamp", "fields"},
    "qotEvent": {"connection_id", "agent_id", "event", "timestamp"},
}
HEALTH = {
    "agentHealth": SENDER | {"status", "interfaces"},
    "capabilities": SENDER | {"interfaces"},
}
MEASUREMENTS = {"rx_power", "osnr", "ber", "tx_power"}


def parse(record):
    """The record's JSON object. Python alone would let NaN and infinities pass."""

    def refuse(token):
        raise AssertionError(f"the number {token}")

    try:
        message = json.loads(record.value, parse_constant=refuse)
        expect(isinstance(message, dict), "no JSON object")
        expect_known(message, "message")
    except (AssertionError, ValueError) as error:
        raise AssertionError(f"{record.place}: {error} in {record.value[:200]!r}") from error
    return message


def expect_known(value, where):
    """What is not known is absent: no null, no infinite number, at any depth."""
    expect(value is not None, f"{where} is null")
    if isinstance(value, float):
        expect(math.isfinite(value), f"{where} is {value}")
    elif isinstance(value, dict):
        for name, inner in value.items():
            expect_known(inner, name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            expect_known(inner, f"{where}[{index}]")


def expect_fields(message, wanted, what):
    expect(wanted <= message.keys(), f"{what} lacks {sorted(wanted - message.keys())}")


def expect_number(value, low, high, what):
    expect(isinstance(value, (int, float)) and not isinstance(value, bool), f"{what} is {value!r}, no number")
    expect(low <= value <= high, f"{what} is {value}, not in {low}..{high}")


def check_command(command):
    """A record of the config topic; answers its action."""
    expect_fields(command, {"action", "command_id"}, "the command")
    action = command["action"]
    expect(action in COMMANDS, f"action {action!r}")
    subject, endpoint_fields = COMMANDS[action]
    parameters = command.get("parameters", {})
    if subject:
        expect_fields(parameters, {subject}, f"parameters of {action}")
    if endpoint_fields:
        expect(parameters.get("endpoint_config"), f"{action} has no endpoint_config")
        for endpoint in parameters["endpoint_config"]:
            expect_fields(endpoint, endpoint_fields, f"an endpoint of {action}")
            expect_number(endpoint["tx_power_level"], -30, 10, "tx_power_level in dBm")
            if "frequency" in endpoint_fields:
                expect_number(endpoint["frequency"], 191.0, 196.5, "frequency in THz")
    return action


def check_from_agent(message, kinds):
    """A record of the monitoring or health topic; answers its type."""
    kind = message.get("type")
    expect(kind in kinds, f"type {kind!r}")
    expect_fields(message, kinds[kind], kind)
    expect_number(message["timestamp"], 1_600_000_000, 4_000_000_000, "timestamp in seconds")
    expect_equal(message.get("virtual_operator", VOP), VOP, "virtual_operator")
    if "router_id" in message:
        expect_equal(message["agent_id"], f"{message['pop_id']}-{message['router_id']}", "agent_id")
    if kind == "commandAck":
        expect(message["status"] in ("success", "failed"), f"status {message['status']!r}")
    if kind == "telemetrySample":
        for name in MEASUREMENTS & message["fields"].keys():
            expect_number(message["fields"][name], -100, 100, name)
    if kind in HEALTH:
        for interface in message["interfaces"]:
            expect_fields(interface, {"port_id"}, f"an interface in {kind}")
    return kind
