"""An agent that speaks the dialect of existing ones. Run through foreign-agent.sh.

It has no module: what it is told to be it is from then on, and says so.
"""

import json
import sys
import time
import uuid

import kafka

TELEMETRY_SEC = 0.5
HEALTH_SEC = 5.0
# What existing agents write into every sample, wherever they are.
CONSTANT_AGENT = "pop1-router1"
APPLICATIONS = {
    "1": {"rate": "400G", "mode": "DWDM-amplified"},
    "2": {"rate": "400G", "mode": "OFEC-16QAM"},
    "3": {"rate": "100G", "mode": "OFEC-16QAM"},
    "4": {"rate": "100G", "mode": "OFEC-8QAM"},
    "5": {"rate": "100G", "mode": "OFEC-QPSK"},
}
LOWEST_GHZ, HIGHEST_GHZ, STEP_GHZ = 191300, 196100, 100
LEAST_DBM, MOST_DBM = -15.0, -8.0


class Agent:
    def __init__(self, bootstrap, vop, pop, router, port):
        self.pop, self.router, self.port = pop, router, port
        self.name = f"{pop}-{router}"
        self.monitoring = f"monitoring_{vop}"
        self.serves = {}
        self.started = time.time()
        self.producer = kafka.KafkaProducer(
            bootstrap_servers=bootstrap, acks="all", value_serializer=lambda value: json.dumps(value).encode()
        )
        self.consumer = kafka.KafkaConsumer(
            f"config_{vop}", bootstrap_servers=bootstrap, group_id=f"sonic-agent-{uuid.uuid4().hex}",
            auto_offset_reset="latest", enable_auto_commit=False,
            value_deserializer=lambda value: json.loads(value.decode()),
        )

    def send(self, message):
        self.producer.send(self.monitoring, value={**message, "timestamp": time.time()}).get(timeout=60)

    def result(self, kind, connection, **more):
        self.send({"type": kind, "connection_id": connection, "agent_id": self.name, **more})

    def capabilities(self):
        interface = {
            "port_id": self.port, "type": "ZR", "app_code": APPLICATIONS,
            "frequency_range": [LOWEST_GHZ, HIGHEST_GHZ], "tx_power_range": [LEAST_DBM, MOST_DBM],
            "vendor": "NeoPhotonics", "part_number": "QDDMA400700C2000",
        }
        self.send({
            "type": "agentCapabilities", "agent_id": self.name, "pop_id": self.pop, "node_id": self.router,
            "interfaces": [interface],
        })

    def health(self):
        interface = {
            "port_id": self.port, "present": True, "operational": bool(self.serves), "vendor": "NeoPhotonics",
            "part_number": "QDDMA400700C2000", "serial": "unknown", "module_state": "HIGH_POWER",
            "frequency_mhz": None, "app_code": None, "tx_power_dbm": None,
        }
        self.send({
            "type": "agentHealth", "agent_id": self.name, "status": "healthy", "pop_id": self.pop,
            "router_id": self.router, "uptime": time.time() - self.started, "interfaces": [interface], "issues": [],
        })

    def sample(self, connection, power):
        self.send({
            "type": "telemetrySample", "connection_id": connection, "agent_id": CONSTANT_AGENT, "interface": self.port,
            "fields": {
                "rx_power": -12.34, "osnr": 36.4, "ber": None, "tx_power": power, "temperature": 45.2,
                "module_state": "HIGH_POWER",
            },
        })

    def obey(self, message):
        kind, action = message.get("type"), message.get("action")
        parameters = message.get("parameters") or {}
        try:
            if action == "setupConnection":
                self.set_up(message)
            elif action == "teardownConnection":
                if self.serves.pop(parameters["connection_id"], None) is not None:
                    self.result("teardownConnectionResult", parameters["connection_id"], success=True)
            elif action == "reconfigConnection":
                self.reconfigure(parameters["connection_id"], float(parameters["tx_power_level"]))
            elif kind == "healthCheck":
                self.health()
            elif kind == "getCapabilities":
                self.capabilities()
        except (KeyError, TypeError, ValueError) as error:
            self.send({
                "type": "error", "agent_id": self.name, "error_type": type(error).__name__, "error_message": str(error),
                "command_id": message.get("command_id"),
            })

    def set_up(self, message):
        connection, frequency, endpoints = (message[n] for n in ("connection_id", "frequency", "endpoint_config"))
        if not isinstance(frequency, int) or not LOWEST_GHZ <= frequency <= HIGHEST_GHZ:
            raise ValueError(f"frequency {frequency!r}")
        if len(endpoints) < 2:
            raise ValueError("At least two endpoints required")
        for endpoint in endpoints:
            if (endpoint["pop_id"], endpoint["node_id"]) != (self.pop, self.router):
                continue
            app, power = endpoint["app"], endpoint["tx_power_level"]
            tuned = (frequency - LOWEST_GHZ) % STEP_GHZ == 0
            if endpoint["port_id"] == self.port and str(app) in APPLICATIONS and LEAST_DBM <= power <= MOST_DBM and tuned:
                self.serves[connection] = power
                session = f"session-{connection}-{self.port}-{int(time.time())}"
                self.result(
                    "setupConnectionResult", connection, success=True, interface=self.port, session_id=session
                )
            else:
                error = "Configuration verification failed"
                self.result("setupConnectionResult", connection, success=False, error=error)
            break

    def reconfigure(self, connection, power):
        if connection not in self.serves:
            return
        if LEAST_DBM <= power <= MOST_DBM:
            self.serves[connection] = power
            self.result("reconfigConnectionResult", connection, success=True, new_power=power)
        else:
            error = f"TX power {power}dBm out of range"
            self.result("reconfigConnectionResult", connection, success=False, error=error)

    def run(self):
        # What is sent before the first assignment would not be read.
        while not self.consumer.assignment():
            self.consumer.poll(timeout_ms=100)
        for partition in self.consumer.assignment():
            self.consumer.position(partition)
        self.capabilities()
        sampled = beaten = 0.0
        while True:
            for records in self.consumer.poll(timeout_ms=100).values():
                for record in records:
                    self.obey(record.value)
            now = time.monotonic()
            if now - beaten >= HEALTH_SEC:
                beaten = now
                self.health()
            if now - sampled >= TELEMETRY_SEC:
                sampled = now
                for connection, power in self.serves.items():
                    self.sample(connection, power)


if __name__ == "__main__":
    Agent(*sys.argv[1:6]).run()
