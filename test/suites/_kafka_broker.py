"""A real Kafka broker (KRaft, one node, from the jars of third_party/lock.toml) on free loopback ports in a folder of its own."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

from dev import common, setup
from dev.served import until

SKIPPED = 77
CLUSTER = "c2xpcHdheS1zdWl0ZS0wMQ"  # Any 16 bytes.
USER, PASSWORD = "slipway", "no-secret-of-anybody-7319"


def need_java():
    """Ends the suite as skipped where no broker can run."""
    if not shutil.which("java"):
        print("no Java runtime: ./dev setup --services installs it")
        sys.exit(SKIPPED)
    try:
        return setup.jars()
    except common.Failed as why:
        print(f"no jars of the broker: {why}")
        sys.exit(SKIPPED)


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for one in held:
        one.close()
    return ports


class Broker:
    """Started, stopped (or killed) and started again on the same ports and data."""

    def __init__(self, folder):
        self.folder, self.jars = pathlib.Path(folder), need_java()
        plain, controller, secure = free_ports(3)
        self.address, self.secure = f"127.0.0.1:{plain}", f"127.0.0.1:{secure}"
        self.folder.mkdir(parents=True)
        (self.folder / "server.properties").write_text(f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller},SECURE://{self.secure}
advertised.listeners=PLAINTEXT://{self.address},SECURE://{self.secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_PLAINTEXT
listener.name.secure.sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={self.folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
file.delete.delay.ms=100
""")
        subprocess.run(self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", self.folder / "server.properties"),
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = None

    def _java(self, main, *args):
        return ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{self.jars}/*", main, *map(str, args)]

    def start(self):
        from confluent_kafka.admin import AdminClient
        with open(self.folder / "broker.log", "ab") as log:
            self.process = subprocess.Popen(self._java("kafka.Kafka", self.folder / "server.properties"),
                                            stdout=log, stderr=subprocess.STDOUT, cwd=self.folder, start_new_session=True)
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})

        def answers():
            if self.process.poll() is not None:
                raise RuntimeError("the broker ended:\n" + self.tail())
            try:
                return admin.list_topics(timeout=1).brokers
            except Exception:  # pylint: disable=broad-except — not there yet
                return None
        until("the broker", answers, seconds=60)
        return self

    def tail(self):
        return "\n".join((self.folder / "broker.log").read_text(errors="replace").splitlines()[-20:])

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, how)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
