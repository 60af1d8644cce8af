"""Numbered records from librdkafka's idempotent producer. Run through foreign-idempotence.sh."""

import sys

import confluent_kafka
from client_checks import PATIENCE

# Records of one request, about.
TOGETHER = 5


def main():
    bootstrap, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    failures = []
    producer = confluent_kafka.Producer({
        "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 0, "batch.num.messages": TOGETHER,
        "retry.backoff.ms": 10, "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100,
    })
    for number in range(count):
        producer.produce(
            topic, value=str(number), partition=0, on_delivery=lambda error, _: error and failures.append(str(error))
        )
        if number % TOGETHER == TOGETHER - 1:
            producer.poll(0)
    left = producer.flush(PATIENCE)
    print(f"{count - left - len(failures)} of {count} confirmed; {failures[:3]}")
    return 1 if left or failures else 0


if __name__ == "__main__":
    sys.exit(main())
