"""Shows that a build of the agent finds its broker by name: run in a mount and a network namespace of its own.

/etc/hosts knows one name, a resolver on 127.0.0.1 another. Behind both is a socket that takes connections: the agent has
found the name when it connects.
"""

import socket
import struct
import subprocess
import sys
import tempfile
import threading

HOSTS, RESOLVED = "broker.hosts.test", "broker.resolver.test"
PATIENCE = 60


def mount(path: str, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(text)
    subprocess.run(["chmod", "644", file.name], check=True)
    subprocess.run(["mount", "--bind", file.name, path], check=True)


def answer(query: bytes) -> bytes:
    """An A record of 127.0.0.1 for the one name; no such name for others, no address of other kinds."""
    end = query.index(b"\0", 12) + 1
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += query[at] + 1
    kind = struct.unpack("!H", query[end : end + 2])[0]
    known = ".".join(labels) == RESOLVED
    found = known and kind == 1
    header = query[:2] + struct.pack("!HHHHH", 0x8580 if known else 0x8583, 1, int(found), 0, 0)
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton("127.0.0.1")
    return header + query[12 : end + 4] + (record if found else b"")


def resolve(server: socket.socket) -> None:
    while True:
        query, client = server.recvfrom(512)
        server.sendto(answer(query), client)


def connects(run: list[str], name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        environment = {
            "POP_ID": "pop1", "ROUTER_ID": "router1", "MOCK_HARDWARE": "true",
            "ASSIGNED_TRANSCEIVERS": '["Ethernet48"]', "KAFKA_BROKER": f"{name}:{listener.getsockname()[1]}",
        }
        agent = subprocess.Popen([*run, "run"], env=environment, stderr=subprocess.PIPE, text=True)
        try:
            listener.accept()[0].close()
            print(f"{name}: found")
        except TimeoutError:
            agent.kill()
            sys.exit(f"{name}: not found\n{agent.communicate()[1]}")
        finally:
            agent.kill()
            agent.communicate()


def main() -> None:
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    mount("/etc/hosts", f"127.0.0.1 localhost {HOSTS}\n")
    mount("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=resolve, args=(server,), daemon=True).start()
    for name in (HOSTS, RESOLVED):
        connects(sys.argv[1:], name)


main()
