"""The operator guide's Kafka lines with clients that this project did not write: kcat, kafka-python, confluent-kafka.

Run through guide-clients.sh, which provides the clients, against a running lab.
"""

import collections
import json
import subprocess
import sys
import time
import typing
import uuid

import confluent_kafka
import kafka
from client_checks import PATIENCE, Checks, eventually, expect, expect_equal
from guide_messages import HEALTH, MEASUREMENTS, MONITORING, VOP, check_command, check_from_agent, parse
from kafka.partitioner.default import murmur2

CONFIG, MONITOR, HEARTBEATS = (f"{role}_{VOP}" for role in ("config", "monitoring", "health"))
RUN = uuid.uuid4().hex[:8]
CONNECTION = "POP1-POP2-1"
AGENT = "pop1-router1"
PORT = "Ethernet48"
FREQUENCY_MHZ = 193_100_000
POWER_DBM = -2.0
# A module that is not sped up tunes for a minute or two.
MODULE_PATIENCE = 180.0
# Between two looks for something new.
PAUSE = 0.3


class Record(typing.NamedTuple):
    """A record as a client read it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes

    @property
    def place(self):
        return f"{self.topic}/{self.partition} at offset {self.offset}"


# The clients. Each can do the same: `partitions` of a topic, `send` a value without a key, and `read` a topic from
# `positions` (the next offset by partition; the beginning where there is none) to its end.


class Kcat:
    name = "kcat"

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def kcat(self, *arguments, stdin=None):
        command = ["kcat", "-b", self.bootstrap, "-m", str(int(PATIENCE)), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=2 * PATIENCE)
        expect(done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def partitions(self, topic):
        listed = json.loads(self.kcat("-L", "-J", "-t", topic))["topics"][0]
        return [partition["partition"] for partition in listed["partitions"]]

    def read(self, topic, positions):
        records = []
        for partition in self.partitions(topic):
            start = str(positions.get(partition, "beginning"))
            # A fetch that waited for more would not see the end of a topic into which telemetry flows.
            until_its_end = ["-e", "-X", "fetch.wait.max.ms=10"]
            lines = self.kcat("-C", "-t", topic, "-p", str(partition), "-o", start, "-q", "-J", *until_its_end)
            for line in map(json.loads, lines.splitlines()):
                key = line["key"] and line["key"].encode()
                records.append(Record(topic, partition, line["offset"], key, line["payload"].encode()))
        return records

    def send(self, topic, value):
        self.kcat("-P", "-t", topic, stdin=value + "\n")


class KafkaPython:
    name = "kafka-python"

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.consumer = kafka.KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)

    def partitions(self, topic):
        return self.consumer.partitions_for_topic(topic)

    def read(self, topic, positions):
        consumer = self.consumer
        partitions = [kafka.TopicPartition(topic, index) for index in self.partitions(topic)]
        consumer.assign(partitions)
        for partition, start in consumer.beginning_offsets(partitions).items():
            consumer.seek(partition, positions.get(partition.partition, start))
        ends = consumer.end_offsets(partitions)
        records = []
        deadline = time.monotonic() + PATIENCE
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            expect(time.monotonic() < deadline, f"{topic}: {len(records)} records within {PATIENCE:.0f} s, not all")
            for batch in consumer.poll(timeout_ms=200).values():
                records += [Record(topic, r.partition, r.offset, r.key, r.value) for r in batch]
        return records

    def send(self, topic, value):
        producer = kafka.KafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        producer.send(topic, value=value.encode()).get(timeout=PATIENCE)
        producer.close()


class Confluent:
    name = "confluent-kafka"

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        # Nothing is committed: the group is a name that the client insists on.
        settings = {"bootstrap.servers": bootstrap, "group.id": f"guide-{RUN}", "enable.auto.commit": False}
        self.consumer = confluent_kafka.Consumer(settings)

    def partitions(self, topic):
        return self.consumer.list_topics(topic, timeout=PATIENCE).topics[topic].partitions.keys()

    def read(self, topic, positions):
        ends, reached = {}, {}
        for index in self.partitions(topic):
            partition = confluent_kafka.TopicPartition(topic, index)
            first, ends[index] = self.consumer.get_watermark_offsets(partition, timeout=PATIENCE)
            reached[index] = positions.get(index, first)
        self.consumer.assign([confluent_kafka.TopicPartition(topic, *start) for start in reached.items()])
        records = []
        deadline = time.monotonic() + PATIENCE
        while any(reached[index] < end for index, end in ends.items()):
            expect(time.monotonic() < deadline, f"{topic}: {len(records)} records within {PATIENCE:.0f} s, not all")
            for r in self.consumer.consume(500, timeout=0.2):
                expect(r.error() is None, str(r.error()))
                records.append(Record(topic, r.partition(), r.offset(), r.key(), r.value()))
                reached[r.partition()] = r.offset() + 1
        return records

    def send(self, topic, value):
        failures = []
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(topic, value=value, on_delivery=lambda error, _: error and failures.append(str(error)))
        left = producer.flush(PATIENCE)
        expect_equal((left, failures), (0, []), "undelivered and failed")


class Follower:
    """All records of a topic that a client has read so far."""

    def __init__(self, client, topic):
        self.client = client
        self.topic = topic
        self.positions = {}
        self.records = []

    def more(self):
        """Reads on to the end and answers what is new."""
        new = self.client.read(self.topic, self.positions)
        for record in new:
            self.positions[record.partition] = record.offset + 1
        self.records += new
        return new


class GuideLines:
    """What the guide's reader does with one client. `read_before` remembers what the clients before it read."""

    def __init__(self, client, read_before):
        self.client = client
        self.read_before = read_before
        self.config, self.monitoring, self.health = (
            Follower(client, topic) for topic in (CONFIG, MONITOR, HEARTBEATS)
        )
        self.setup_id = f"setup-{CONNECTION}-{client.name}-{RUN}"
        self.teardown_id = f"teardown-{CONNECTION}-{client.name}-{RUN}"
        self.agents = set()
        self.answers = []

    @staticmethod
    def checked(records, check):
        """The messages, and how many there are of each kind, in words."""
        messages = []
        kinds = collections.Counter()
        for record in records:
            message = parse(record)
            try:
                kinds[check(message)] += 1
            except AssertionError as error:
                raise AssertionError(f"{record.place}: {error} in {record.value[:300]!r}") from error
            messages.append(message)
        return messages, ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))

    def check_reads_the_commands(self):
        _, summary = self.checked(self.config.more(), check_command)
        expect("setupConnection" in summary, f"no setupConnection on {CONFIG}: {summary or 'nothing'}")
        return summary

    def check_reads_health_and_capabilities(self):
        messages, summary = self.checked(self.health.more(), lambda m: check_from_agent(m, HEALTH))
        self.agents = {message["agent_id"] for message in messages}
        expect(AGENT in self.agents, f"{AGENT} is not among {sorted(self.agents)}")
        expect(all(m["emulated"] is True for m in messages if m["type"] == "agentHealth"), "not said to be emulated")
        return f"{summary} of {', '.join(sorted(self.agents))}"

    def check_reads_acks_and_telemetry(self):
        messages, summary = self.checked(self.monitoring.more(), lambda m: check_from_agent(m, MONITORING))
        strangers = {message["agent_id"] for message in messages} - self.agents
        expect(not strangers, f"{sorted(strangers)} not heard on {HEARTBEATS}")
        measured = set().union(*(m["fields"].keys() for m in messages if m["type"] == "telemetrySample"))
        expect(measured >= MEASUREMENTS, f"no sample has {sorted(MEASUREMENTS - measured)}")
        return summary

    def check_reads_what_the_other_clients_read(self):
        records = [*self.config.records, *self.health.records, *self.monitoring.records]
        mine = {(r.topic, r.partition, r.offset): (r.key, r.value) for r in records}
        expect_equal(len(mine), len(records), "records, each once")
        common = self.read_before.keys() & mine.keys()
        expect_equal(len(common), len(self.read_before), "records of theirs that this one read, too")
        differing = [place for place in common if self.read_before[place] != mine[place]]
        expect(not differing, f"other bytes at {differing[:3]}")
        self.read_before.update(mine)
        return f"{len(common)} of {len(mine)}, byte for byte" if common else f"{len(mine)}, the first to read"

    def answers_to(self, command_id):
        """The acks of a command on the monitoring topic from the moment it was sent."""
        self.answers += [parse(record) for record in self.monitoring.more()]
        return [a for a in self.answers if a.get("type") == "commandAck" and a["command_id"] == command_id]

    def ack_of(self, command_id):
        ack = eventually(
            lambda: self.answers_to(command_id), f"the ack of {command_id}", patience=MODULE_PATIENCE, pause=PAUSE
        )[0]
        expect_equal((ack["status"], ack["agent_id"]), ("success", AGENT), f"ack {json.dumps(ack)}")
        expect_equal(ack["connection_id"], CONNECTION, "connection of the ack")
        return ack["details"]["readback"]

    def check_types_setupConnection_by_hand_and_sees_it_read_back(self):
        # The guide's line with its blank at the end, and no key, as kafka-console-producer sends it.
        self.client.send(
            CONFIG,
            f'{{"action":"setupConnection","command_id":"{self.setup_id}","parameters":'
            f'{{"connection_id":"{CONNECTION}","endpoint_config":[{{"pop_id":"pop1","node_id":"router1",'
            f'"port_id":"{PORT}","frequency":193.1,"tx_power_level":-2.0}}]}}}} ',
        )
        read = self.ack_of(self.setup_id)
        expect_equal(read["frequency_mhz"], FREQUENCY_MHZ, "frequency read back in MHz")
        expect_equal(read["tx_power_dbm"], POWER_DBM, "power read back in dBm")
        expect_equal(read["data_path_state"], "DPActivated", "data path read back")
        return f"{read['frequency_mhz']} MHz, {read['tx_power_dbm']} dBm, {read['data_path_state']}"

    def samples(self):
        self.answers_to(self.setup_id)
        samples = [a["fields"] for a in self.answers if a["type"] == "telemetrySample" and a["agent_id"] == AGENT
                   and a["connection_id"] == CONNECTION and a["interface"] == PORT]
        return [fields for fields in samples if fields.get("frequency_mhz") == FREQUENCY_MHZ]

    def check_sees_telemetry_of_the_connection(self):
        def two():
            samples = self.samples()
            return samples if len(samples) >= 2 else None

        samples = eventually(two, f"two samples of {CONNECTION}", patience=MODULE_PATIENCE, pause=PAUSE)
        for fields in samples:
            expect_equal(fields["tx_power_configured"], POWER_DBM, "configured power in dBm")
            expect(abs(fields["tx_power"] - POWER_DBM) <= 0.5, f"measures {fields['tx_power']} dBm")
        return f"{len(samples)} samples, the last {json.dumps(samples[-1])}"

    def check_types_teardownConnection_by_hand_and_sees_it_dark(self):
        self.client.send(
            CONFIG,
            f'{{"action":"teardownConnection","command_id":"{self.teardown_id}",'
            f'"parameters":{{"connection_id":"{CONNECTION}"}}}}',
        )
        read = self.ack_of(self.teardown_id)
        expect_equal(read["tx_enabled"], False, "transmitter read back")
        return f"transmitter off, {read['data_path_state']}"

    def check_sees_one_outcome_for_each_command(self):
        ids = [{ack["ack_id"] for ack in self.answers_to(command)} for command in (self.setup_id, self.teardown_id)]
        expect_equal([len(of) for of in ids], [1, 1], f"outcomes {ids}")

    def check_finds_keyed_records_where_java_clients_put_them(self):
        keyed = 0
        for follower in (self.config, self.monitoring, self.health):
            partitions = sorted(self.client.partitions(follower.topic))
            for record in (record for record in follower.records if record.key is not None):
                place = partitions[(murmur2(record.key) & 0x7FFF_FFFF) % len(partitions)]
                expect_equal(record.partition, place, f"partition of {record.place} with key {record.key}")
                keyed += 1
        return f"{keyed} records"

    def check_writes_on_monitoring_and_health_and_reads_it_back(self):
        """What an agent of another make could say; nothing follows from it."""
        now = time.time()
        note = {
            "type": "qotEvent", "connection_id": CONNECTION, "agent_id": AGENT, "event": "recovery",
            "details": {"from": self.client.name, "run": RUN}, "timestamp": now,
        }
        heartbeat = {
            "type": "agentHealth", "agent_id": AGENT, "pop_id": "pop1", "router_id": "router1", "virtual_operator": VOP,
            "status": "healthy", "timestamp": now, "emulated": True, "interfaces": [],
            "issues": [f"told by {self.client.name} {RUN}"],
        }
        for follower, message in ((self.monitoring, note), (self.health, heartbeat)):
            self.client.send(follower.topic, json.dumps(message))

            def read_back(reader=follower, wanted=message):
                return wanted in [parse(record) for record in reader.more()]

            eventually(read_back, f"its own record on {follower.topic}", pause=PAUSE)

    def check_reads_its_own_commands_without_a_key(self):
        sent = {parse(record)["command_id"]: record for record in self.config.more()}
        keys = [sent[command].key for command in (self.setup_id, self.teardown_id)]
        expect_equal(keys, [None, None], "keys")


def main():
    bootstrap = sys.argv[1]
    checks = Checks()
    try:
        python = KafkaPython(bootstrap)
        absent = {CONFIG, MONITOR, HEARTBEATS} - python.consumer.topics()
        expect(not absent, f"no topics {', '.join(sorted(absent))}: a lab that uses this broker must be running")
        read_before = {}
        for client in (Kcat(bootstrap), python, Confluent(bootstrap)):
            checks.run(client.name, GuideLines(client, read_before))
    except Exception as error:
        checks.failed += 1
        print(f"FAIL  {bootstrap}: {type(error).__name__}: {error}")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
