"""Checks a Kafka broker with three clients that this project did not write: kcat, kafka-python, confluent-kafka.

Run through foreign-clients.sh, which provides the clients. Every topic and group has a name of its own, and topics
are deleted at the end, so the checks can run against a broker that is in use.
"""

import json
import subprocess
import sys
import threading
import time
import uuid

import confluent_kafka
import confluent_kafka.admin
import kafka
import kafka.admin
import kafka.errors
from client_checks import PATIENCE, Checks, eventually, expect, expect_equal

RUN = uuid.uuid4().hex[:8]
LOG_APPEND_TIME = 1
# Where a configuration entry comes from: set for this topic.
DYNAMIC_TOPIC_CONFIG = 1


class Kcat:
    def __init__(self, bootstrap, topic):
        self.bootstrap = bootstrap
        self.topic = topic
        self.lines = [f"key-{n}:value-{n}" for n in range(50)]

    def kcat(self, *arguments, stdin=None):
        command = ["kcat", "-b", self.bootstrap, "-m", str(int(PATIENCE)), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=2 * PATIENCE)
        expect(done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def check_metadata_lists_the_topic(self):
        listed = json.loads(self.kcat("-L", "-J"))
        partitions = {topic["topic"]: len(topic["partitions"]) for topic in listed["topics"]}
        expect_equal(partitions.get(self.topic), 1, "partitions")
        expect_equal(len(listed["brokers"]), 1, "brokers")

    def check_produce(self):
        self.kcat("-P", "-t", self.topic, "-K:", "-H", "source=kcat", stdin="\n".join(self.lines) + "\n")

    def check_produce_gzip(self):
        self.kcat("-P", "-t", self.topic, "-K:", "-z", "gzip", stdin="zipped:yes\n")

    def check_consume_from_the_beginning(self):
        got = self.kcat("-C", "-t", self.topic, "-o", "beginning", "-e", "-q", "-f", "%k:%s\n")
        expect_equal(got.splitlines(), [*self.lines, "zipped:yes"], "records")

    def check_consume_from_the_middle_of_a_batch(self):
        got = self.kcat("-C", "-t", self.topic, "-o", "47", "-e", "-q", "-f", "%o %k:%s %h\n")
        wanted = [f"{n} {self.lines[n]} source=kcat" for n in range(47, 50)] + ["50 zipped:yes "]
        expect_equal(got.splitlines(), wanted, "records")

    def check_query_offset_by_timestamp(self):
        got = self.kcat("-Q", "-t", f"{self.topic}:0:0")
        expect(got.strip().endswith("offset 0"), f"got {got!r}")

    def check_group_consume(self):
        group = f"kcat-{RUN}"
        settings = ["-X", "auto.offset.reset=earliest", "-q", "-f", "%k:%s\n"]
        first = self.kcat("-G", group, *settings, "-c", "51", self.topic)
        expect_equal(first.splitlines(), [*self.lines, "zipped:yes"], "records")
        self.kcat("-P", "-t", self.topic, "-K:", stdin="late:arrival\n")
        second = self.kcat("-G", group, *settings, "-c", "1", self.topic)
        expect_equal(second.splitlines(), ["late:arrival"], "records after the commit")


class KafkaPython:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.topic = f"foreign-python-{RUN}"
        self.group = f"python-{RUN}"
        self.admin = kafka.KafkaAdminClient(bootstrap_servers=bootstrap)
        self.partitions = [kafka.TopicPartition(self.topic, index) for index in range(2)]

    def consumer(self, *topics, **settings):
        settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **settings}
        return kafka.KafkaConsumer(*topics, bootstrap_servers=self.bootstrap, **settings)

    def take(self, consumer, count):
        """Polls until `count` records have come; more than that is an error too."""
        records = []
        deadline = time.monotonic() + PATIENCE
        while len(records) < count:
            expect(time.monotonic() < deadline, f"{len(records)} of {count} records within {PATIENCE:.0f} s")
            for batch in consumer.poll(timeout_ms=200, max_records=count - len(records)).values():
                records.extend(batch)
        return records

    def create_topic(self, name, partitions=1, replicas=1, configs=None):
        """Creates a topic; ends when metadata show it."""
        new = kafka.admin.NewTopic(name, partitions, replicas, topic_configs=configs)
        self.admin.create_topics([new])
        eventually(lambda: name in self.admin.list_topics(), "topic listed")

    def check_create_topic_with_configs(self):
        configs = {"retention.bytes": "1000000", "message.timestamp.type": "LogAppendTime"}
        self.create_topic(self.topic, partitions=2, configs=configs)
        described = self.admin.describe_topics([self.topic])[0]
        expect_equal(len(described["partitions"]), 2, "partitions")

    def check_describe_configs(self):
        resource = kafka.admin.ConfigResource(kafka.admin.ConfigResourceType.TOPIC, self.topic)
        (answer,) = self.admin.describe_configs([resource])
        ((code, message, _kind, name, entries),) = answer.resources
        expect_equal((code, name), (0, self.topic), message)
        described = {entry[0]: entry[1] for entry in entries}
        expect_equal(described["retention.bytes"], "1000000", "retention.bytes")
        expect_equal(described["message.timestamp.type"], "LogAppendTime", "message.timestamp.type")
        expect_equal(described["cleanup.policy"], "delete", "cleanup.policy")
        set_here = {entry[0] for entry in entries if entry[3] == DYNAMIC_TOPIC_CONFIG}
        wanted = {"retention.bytes", "message.timestamp.type"}
        expect(wanted <= set_here, f"set here: got {sorted(set_here)}")

    def refused(self, name, error, **spec):
        try:
            self.create_topic(name, **spec)
        except error:
            return
        raise AssertionError(f"{name}: no {error.__name__}")

    def check_create_an_existing_topic_is_refused(self):
        self.refused(self.topic, kafka.errors.TopicAlreadyExistsError)

    def check_create_with_an_illegal_name_is_refused(self):
        self.refused("no spaces please", kafka.errors.InvalidTopicError)

    def check_create_with_an_unknown_config_is_refused(self):
        configs = {"retention.bite": "1"}
        self.refused(f"{self.topic}-x", kafka.errors.InvalidConfigurationError, configs=configs)

    def check_produce(self):
        producer = kafka.KafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", compression_type="gzip", linger_ms=20
        )
        sent = [
            producer.send(
                self.topic,
                key=f"key-{n}".encode(),
                value=f"value-{n}".encode(),
                headers=[("n", str(n).encode())],
                partition=n % 2,
                timestamp_ms=1_000_000_000_000,
            )
            for n in range(100)
        ]
        producer.flush(timeout=PATIENCE)
        offsets = [future.get(timeout=PATIENCE).offset for future in sent]
        expect_equal(offsets, [n // 2 for n in range(100)], "offsets")
        producer.close()

    def check_consume_without_a_group(self):
        consumer = self.consumer(self.topic)
        records = self.take(consumer, 100)
        consumer.close()
        by_number = sorted(records, key=lambda record: int(record.value[6:]))
        expect_equal([r.value for r in by_number], [f"value-{n}".encode() for n in range(100)], "values")
        expect_equal([r.key for r in by_number], [f"key-{n}".encode() for n in range(100)], "keys")
        expect_equal(list(by_number[7].headers), [("n", b"7")], "headers")
        for partition in (0, 1):
            offsets = [r.offset for r in records if r.partition == partition]
            expect_equal(offsets, list(range(50)), f"offsets of partition {partition}")

    def check_log_append_time_is_the_brokers(self):
        consumer = self.consumer(self.topic)
        record = self.take(consumer, 1)[0]
        consumer.close()
        expect_equal(record.timestamp_type, LOG_APPEND_TIME, "timestamp type")
        age = time.time() - record.timestamp / 1000
        expect(-5 < age < 3600, f"appended {age:.1f} s ago by its timestamp")

    def check_seek_into_a_batch(self):
        consumer = self.consumer()
        consumer.assign(self.partitions[:1])
        consumer.seek(self.partitions[0], 17)
        records = self.take(consumer, 33)
        consumer.close()
        expect_equal([r.offset for r in records], list(range(17, 50)), "offsets")

    def check_beginning_end_and_timestamp_offsets(self):
        consumer = self.consumer()
        consumer.assign(self.partitions)
        first, second = self.partitions
        expect_equal(consumer.beginning_offsets(self.partitions), {first: 0, second: 0}, "beginning")
        expect_equal(consumer.end_offsets(self.partitions), {first: 50, second: 50}, "end")
        now = int(time.time() * 1000)
        found = consumer.offsets_for_times({first: now - 600_000, second: now + 600_000})
        consumer.close()
        expect_equal(found[first].offset, 0, "offset of ten minutes ago")
        expect(found.get(second) is None, f"offset of ten minutes hence: {found.get(second)}")

    def check_group_commits_and_resumes(self):
        first = self.consumer(self.topic, group_id=self.group)
        early = self.take(first, 40)
        first.commit()
        first.close()
        second = self.consumer(self.topic, group_id=self.group)
        late = self.take(second, 60)
        second.commit()
        committed = [second.committed(partition) for partition in self.partitions]
        second.close()
        seen = sorted((r.partition, r.offset) for r in early + late)
        expect_equal(seen, [(p, o) for p in (0, 1) for o in range(50)], "records, each once")
        expect_equal(committed, [50, 50], "committed")

    def check_group_of_two_shares_the_partitions(self):
        owned = {}
        thrown = []
        done = threading.Event()

        def member(number):
            try:
                # This client can lose its own attempt to join: a leader that does not know the partitions yet assigns none, and
                # a poll that ends meanwhile forgets the answer. It tries again when the broker has expelled it.
                settings = {"session_timeout_ms": 8_000, "heartbeat_interval_ms": 1_000}
                consumer = self.consumer(group_id=f"{self.group}-two", **settings)
                eventually(lambda: consumer.partitions_for_topic(self.topic), "partitions known")
                consumer.subscribe([self.topic])
                while not done.is_set():
                    consumer.poll(timeout_ms=1000)
                    owned[number] = consumer.assignment()
                consumer.close()
            except Exception as error:
                thrown.append(error)

        def shared(wanted):
            if thrown:
                raise thrown[0]
            return sorted(owned.values(), key=str) == sorted(wanted, key=str)

        # One thread per member: a join blocks its caller until the other members have joined too.
        threads = [threading.Thread(target=member, args=(number,), daemon=True) for number in range(2)]
        try:
            threads[0].start()
            eventually(lambda: shared([set(self.partitions)]), "the first member has both")
            threads[1].start()
            eventually(lambda: shared([{partition} for partition in self.partitions]), "one partition each")
        finally:
            done.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join(PATIENCE)

    def check_list_groups(self):
        listed = {group for group, _kind in self.admin.list_consumer_groups()}
        expect(self.group in listed, f"{self.group} not among {sorted(listed)}")

    def check_delete_records(self):
        partition = self.partitions[0]
        self.admin.delete_records({partition: 30})
        consumer = self.consumer()
        consumer.assign([partition])
        expect_equal(consumer.beginning_offsets([partition]), {partition: 30}, "beginning")
        consumer.close()

    def check_delete_topic(self):
        self.admin.delete_topics([self.topic])
        eventually(lambda: self.topic not in self.admin.list_topics(), "topic gone")


class Confluent:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.topic = f"foreign-confluent-{RUN}"
        self.group = f"confluent-{RUN}"
        self.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": bootstrap})

    @staticmethod
    def results(futures):
        return {key: future.result(timeout=PATIENCE) for key, future in futures.items()}

    def consumer(self, **settings):
        return confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": self.group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                **settings,
            }
        )

    def take(self, consumer, count):
        records = []
        deadline = time.monotonic() + PATIENCE
        while len(records) < count:
            expect(time.monotonic() < deadline, f"{len(records)} of {count} records within {PATIENCE:.0f} s")
            for record in consumer.consume(count - len(records), timeout=0.2):
                expect(record.error() is None, str(record.error()))
                records.append(record)
        return records

    def produce(self, numbers, **settings):
        failures = []
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap, **settings})
        for n in numbers:
            producer.produce(
                self.topic,
                key=f"key-{n}",
                value=f"value-{n}",
                partition=0,
                on_delivery=lambda error, _: error and failures.append(str(error)),
            )
        left = producer.flush(PATIENCE)
        expect_equal((left, failures), (0, []), "undelivered and failed")

    def check_create_topic_with_configs(self):
        config = {"retention.ms": "86400000", "max.message.bytes": "100000"}
        topic = confluent_kafka.admin.NewTopic(self.topic, 1, 1, config=config)
        self.results(self.admin.create_topics([topic]))
        eventually(lambda: self.topic in self.admin.list_topics(timeout=PATIENCE).topics, "topic listed")

    def check_describe_configs(self):
        resource = confluent_kafka.admin.ConfigResource("topic", self.topic)
        described = self.results(self.admin.describe_configs([resource]))[resource]
        expect_equal(described["retention.ms"].value, "86400000", "retention.ms")
        expect_equal(described["max.message.bytes"].value, "100000", "max.message.bytes")
        expect(described["cleanup.policy"].is_default, "cleanup.policy is a default")

    def check_configs_change_one_by_one(self):
        entry = confluent_kafka.admin.ConfigEntry(
            "retention.ms", "3600000", incremental_operation=confluent_kafka.admin.AlterConfigOpType.SET
        )
        resource = confluent_kafka.admin.ConfigResource("topic", self.topic, incremental_configs=[entry])
        self.results(self.admin.incremental_alter_configs([resource]))
        asked = confluent_kafka.admin.ConfigResource("topic", self.topic)

        def changed():
            described = self.results(self.admin.describe_configs([asked]))[asked]
            return described["retention.ms"].value == "3600000" and described["max.message.bytes"].value == "100000"

        eventually(changed, "the one is changed and the other not")

    def check_partitions_are_added(self):
        name = f"{self.topic}-grows"
        self.results(self.admin.create_topics([confluent_kafka.admin.NewTopic(name, 1, 1)]))
        self.results(self.admin.create_partitions([confluent_kafka.admin.NewPartitions(name, 4)]))

        def partitions():
            return len(self.admin.list_topics(name, timeout=PATIENCE).topics[name].partitions)

        eventually(lambda: partitions() == 4, "four partitions")
        try:
            self.results(self.admin.create_partitions([confluent_kafka.admin.NewPartitions(name, 2)]))
        except confluent_kafka.KafkaException as error:
            expect_equal(error.args[0].code(), confluent_kafka.KafkaError.INVALID_PARTITIONS, "error")
        else:
            raise AssertionError("fewer partitions were not refused")
        self.results(self.admin.delete_topics([name], operation_timeout=PATIENCE))

    def check_produce_zstd(self):
        self.produce(range(0, 60), **{"compression.type": "zstd", "linger.ms": 20})

    def check_produce_idempotent(self):
        self.produce(range(60, 100), **{"enable.idempotence": True})

    def check_a_record_over_the_topics_limit_is_refused(self):
        outcome = []
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(self.topic, value=b"x" * 200_000, on_delivery=lambda error, _: outcome.append(error))
        producer.flush(PATIENCE)
        codes = [error and error.code() for error in outcome]
        expect_equal(codes, [confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE], "outcome")

    def check_consume_without_subscription(self):
        consumer = self.consumer()
        consumer.assign([confluent_kafka.TopicPartition(self.topic, 0, 0)])
        records = self.take(consumer, 100)
        consumer.close()
        expect_equal([r.offset() for r in records], list(range(100)), "offsets")
        expect_equal([r.value() for r in records], [f"value-{n}".encode() for n in range(100)], "values")

    def check_seek_into_a_batch(self):
        consumer = self.consumer()
        consumer.assign([confluent_kafka.TopicPartition(self.topic, 0, 31)])
        records = self.take(consumer, 69)
        consumer.close()
        expect_equal([r.offset() for r in records], list(range(31, 100)), "offsets")

    def check_watermarks(self):
        consumer = self.consumer()
        marks = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(self.topic, 0), timeout=PATIENCE)
        consumer.close()
        expect_equal(marks, (0, 100), "watermarks")

    def check_a_new_record_wakes_a_waiting_consumer(self):
        consumer = self.consumer(**{"fetch.wait.max.ms": 5000})
        consumer.assign([confluent_kafka.TopicPartition(self.topic, 0, 100)])
        expect(consumer.poll(0.5) is None, "nothing to read yet")
        started = time.monotonic()
        self.produce([100])
        self.take(consumer, 1)
        waited = time.monotonic() - started
        consumer.close()
        expect(waited < 2.0, f"waited {waited:.2f} s")

    def check_group_commits_and_resumes(self):
        first = self.consumer()
        first.subscribe([self.topic])
        early = self.take(first, 41)
        first.commit(asynchronous=False)
        first.close()
        second = self.consumer()
        second.subscribe([self.topic])
        late = self.take(second, 60)
        second.commit(asynchronous=False)
        partition = confluent_kafka.TopicPartition(self.topic, 0)
        committed = second.committed([partition], timeout=PATIENCE)[0].offset
        second.close()
        expect_equal([r.offset() for r in early + late], list(range(101)), "offsets, each once")
        expect_equal(committed, 101, "committed")

    def check_group_over_generations_in_which_members_join_die_and_leave(self):
        """Threads are members of this process; one in a process of its own is killed, which a broker learns by its silence."""
        topic, group = f"{self.topic}-shared", f"{self.group}-shared"
        self.results(self.admin.create_topics([confluent_kafka.admin.NewTopic(topic, 6, 1)]))
        # No broker takes a shorter session by default.
        settings = {"group.id": group, "session.timeout.ms": 6_000, "heartbeat.interval.ms": 500}
        owned, thrown, leave = {}, [], {}

        def member(name):
            try:
                consumer = self.consumer(**settings)
                consumer.subscribe([topic])
                while not leave[name].is_set():
                    for record in consumer.consume(10, timeout=0.1):
                        expect(record.error() is None, str(record.error()))
                    owned[name] = {partition.partition for partition in consumer.assignment()}
                consumer.close()
                del owned[name]
            except Exception as error:
                thrown.append(error)

        threads = []

        def join(name):
            leave[name] = threading.Event()
            threads.append(threading.Thread(target=member, args=(name,), daemon=True))
            threads[-1].start()

        def shared(*counts):
            """Whether the members here have so many partitions, no two the same."""
            if thrown:
                raise thrown[0]
            sets = list(owned.values())
            disjoint = len(set().union(*sets)) == sum(map(len, sets))
            return disjoint and sorted(map(len, sets)) == sorted(counts)

        elsewhere = (
            "import confluent_kafka, json, sys\n"
            "consumer = confluent_kafka.Consumer(json.loads(sys.argv[1]))\n"
            "consumer.subscribe([sys.argv[2]])\n"
            "while True: consumer.poll(0.1)\n"
        )
        told = json.dumps({"bootstrap.servers": self.bootstrap, "auto.offset.reset": "earliest", **settings})
        other = None
        try:
            join("a")
            eventually(lambda: shared(6), "one has all six")
            join("b")
            join("c")
            eventually(lambda: shared(2, 2, 2), "three have two each")
            other = subprocess.Popen([sys.executable, "-c", elsewhere, told, topic])
            eventually(lambda: shared(2, 2, 1) or shared(2, 1, 1), "a fourth has taken some")
            other.kill()
            other.wait()
            eventually(lambda: shared(2, 2, 2), "what it had is shared once it is missed")
            join("d")
            eventually(lambda: shared(2, 2, 1, 1), "four have one or two")
            leave["a"].set()
            eventually(lambda: shared(2, 2, 2), "three again, one having left")
        finally:
            for event in leave.values():
                event.set()
            if other is not None:
                other.kill()
                other.wait()
            for thread in threads:
                thread.join(PATIENCE)
        self.results(self.admin.delete_topics([topic], operation_timeout=PATIENCE))

    def check_list_groups(self):
        listed = self.admin.list_consumer_groups(request_timeout=PATIENCE).result()
        groups = {group.group_id for group in listed.valid}
        expect(self.group in groups, f"{self.group} not among {sorted(groups)}")

    def check_delete_records(self):
        partition = confluent_kafka.TopicPartition(self.topic, 0, 90)
        deleted = self.results(self.admin.delete_records([partition]))
        expect_equal([result.low_watermark for result in deleted.values()], [90], "low watermark")

    def check_delete_topic(self):
        self.results(self.admin.delete_topics([self.topic], operation_timeout=PATIENCE))
        eventually(lambda: self.topic not in self.admin.list_topics(timeout=PATIENCE).topics, "topic gone")

    def check_delete_an_unknown_topic_is_refused(self):
        try:
            self.results(self.admin.delete_topics([f"{self.topic}-x"]))
        except confluent_kafka.KafkaException as error:
            code = error.args[0].code()
            expect_equal(code, confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART, "error")
        else:
            raise AssertionError("no error")


def main():
    bootstrap = sys.argv[1]
    checks = Checks()
    try:
        python = KafkaPython(bootstrap)
    except Exception as error:
        print(f"FAIL  no broker at {bootstrap}: {type(error).__name__}: {error}")
        return 1
    kcat_topic = f"foreign-kcat-{RUN}"
    python.create_topic(kcat_topic)
    try:
        checks.run("kcat", Kcat(bootstrap, kcat_topic))
    finally:
        python.admin.delete_topics([kcat_topic])
    checks.run("kafka-python", python)
    checks.run("confluent-kafka", Confluent(bootstrap))
    print(f"{checks.passed} checks passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
