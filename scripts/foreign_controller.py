"""A controller that speaks the dialects of existing ones. Run through foreign-controller.sh, against an agent of ours."""

import json
import sys
import time
import uuid

import kafka
from client_checks import PATIENCE, Checks, eventually, expect, expect_equal

VOP = "vOp2"
AGENT, POP, ROUTER, PORT = "pop1-router1", "pop1", "router1", "Ethernet48"
CONNECTION = "POP1-POP2-1"
# A module that is not sped up tunes for a minute or two.
MODULE_PATIENCE = 180.0
RUN = uuid.uuid4().hex[:8]


class Controller:
    """Sends what existing controllers send, and takes of the answers what they look at."""

    def __init__(self, bootstrap):
        self.producer = kafka.KafkaProducer(
            bootstrap_servers=bootstrap, acks="all", value_serializer=lambda value: json.dumps(value).encode(),
            key_serializer=lambda key: key.encode(),
        )
        self.consumer = kafka.KafkaConsumer(
            f"monitoring_{VOP}", f"health_{VOP}", bootstrap_servers=bootstrap, group_id=f"{VOP}_controller_{RUN}",
            auto_offset_reset="earliest", enable_auto_commit=False,
            value_deserializer=lambda value: json.loads(value.decode()),
        )
        self.heard = []

    def send(self, message, key=AGENT):
        self.producer.send(f"config_{VOP}", key=key, value=message).get(timeout=PATIENCE)

    def listen(self):
        for records in self.consumer.poll(timeout_ms=200).values():
            self.heard += [record.value for record in records]
        return self.heard

    def command(self, kind, parameters, **more):
        """A command of the newer controllers: `type`, and `action` only where it is an argument."""
        command_id = str(uuid.uuid4())
        self.send({
            "type": kind, "command_id": command_id, "timestamp": time.time(), "target_agent": AGENT, **more,
            "parameters": parameters,
        })
        return command_id

    def outcome(self, command_id):
        """The status of an ack, as existing controllers read it."""
        def found():
            acks = [m for m in self.listen() if m.get("type") in ("commandAck", "ack", "command_ack")]
            return [ack for ack in acks if ack["command_id"] == command_id]

        ack = eventually(found, f"the ack of {command_id}", patience=MODULE_PATIENCE)[0]
        expect_equal(ack.get("status") or ack.get("ack_status"), "success", f"status of {json.dumps(ack)}")
        return ack

    # What follows is checked in this order.

    def check_hears_health_with_a_status_that_it_knows(self):
        def heard():
            kinds = ("agentHealth", "agentHeartbeat", "health", "heartbeat")
            return [m for m in self.listen() if m.get("type") in kinds and m["agent_id"] == AGENT]

        message = eventually(heard, f"health of {AGENT}")[-1]
        expect(message["status"] in ("healthy", "ok", "up"), f"status {message['status']!r}")
        return message["status"]

    def check_sets_up_with_a_type_and_no_action(self):
        ack = self.outcome(self.command(
            "setupConnection",
            {
                "connection_id": CONNECTION, "pop_id": POP, "router_id": ROUTER, "interface": PORT,
                "direction": "source", "tx_power": -2.0, "frequency": 193.1, "modulation": "DP-16QAM", "path_info": [],
            },
            connection_id=CONNECTION,
        ))
        read = ack["details"]["readback"]
        expect_equal((read["frequency_mhz"], read["tx_power_dbm"]), (193_100_000, -2.0), "read back")
        return f"{read['frequency_mhz']} MHz, {read['data_path_state']}"

    def check_sees_telemetry(self):
        def samples():
            named = [m for m in self.listen() if m.get("type") == "telemetrySample"]
            return [m for m in named if m["connection_id"] == CONNECTION and m["agent_id"] == AGENT]

        fields = eventually(samples, f"a sample of {CONNECTION}", patience=MODULE_PATIENCE)[-1]["fields"]
        expect({"rx_power", "tx_power"} <= fields.keys(), f"fields {sorted(fields)}")

    def check_reconfigures_for_everybody_with_a_printed_dictionary_as_reason(self):
        command_id = f"reconfig-{CONNECTION}-{RUN}"
        reason = str({"type": "QOT_DEGRADATION", "osnr": 17.2, "pre_fec_ber": 0.0031, "acted": None})
        endpoint = {"pop_id": POP, "node_id": ROUTER, "port_id": PORT, "tx_power_level": -1.0}
        self.send({
            "action": "reconfigConnection", "command_id": command_id, "target_pop": "all",
            "parameters": {"connection_id": CONNECTION, "reason": reason, "endpoint_config": [endpoint]},
        })
        read = self.outcome(command_id)["details"]["readback"]
        expect_equal((read["frequency_mhz"], read["tx_power_dbm"]), (193_100_000, -1.0), "read back")

    def check_switches_the_interface_down_and_up(self):
        for action, light in (("admin_down", False), ("up", True)):
            where = {"pop_id": POP, "router_id": ROUTER, "interface": PORT, "action": action}
            ack = self.outcome(self.command("interfaceControl", where, action=action))
            expect_equal(ack["details"]["readback"]["tx_enabled"], light, f"transmitter after {action}")

    def check_asks_for_health_and_capabilities(self):
        for kind, answer in (("healthCheck", "agentHealth"), ("getCapabilities", "capabilities")):
            before = len(self.listen())
            self.send({"type": kind, "command_id": str(uuid.uuid4()), "timestamp": time.time()})
            eventually(
                lambda start=before, wanted=answer: [
                    m for m in self.listen()[start:] if m.get("type") == wanted and m["agent_id"] == AGENT
                ],
                f"an answer to {kind}",
            )

    def check_tears_down(self):
        command_id = f"teardown-{CONNECTION}-{RUN}"
        self.send({
            "action": "teardownConnection", "command_id": command_id, "parameters": {"connection_id": CONNECTION},
        })
        expect_equal(self.outcome(command_id)["details"]["readback"]["tx_enabled"], False, "transmitter")


def main():
    checks = Checks()
    checks.run("existing controllers", Controller(sys.argv[1]))
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
