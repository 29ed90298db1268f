"""Helm, and the chart of deploy/helm rendered by it."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import platformdirs
import pytest
import yaml
from answering import send

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "bridge"
BUILT = platformdirs.user_cache_path("bridge-cdc") / "helm-3.22.0"  # by .ci/run
BUILD_SECONDS = 240.0

Manifest = dict[str, Any]


class Helm(NamedTuple):
    """The program."""

    path: Path

    def run(self, *arguments: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(self.path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)

    def template(
        self, values: Path | None = None, *arguments: str, name: str = "x", version: str = "1.34"
    ) -> list[Manifest]:
        """All that a release would consist of, hooks too."""
        more = () if values is None else ("--values", str(values))
        done = self.run("template", name, str(CHART), "--kube-version", version, *more, *arguments)
        assert done.returncode == 0, done.stderr
        return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]

    def refusal(self, *arguments: str) -> str:
        """Why it renders nothing with these arguments."""
        done = self.run("template", "x", str(CHART), "--kube-version", "1.34", *arguments)
        assert done.returncode != 0, f"{arguments} are taken"
        return done.stderr


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Of this machine, or what .ci/run builds, which is waited for."""
    if installed := shutil.which("helm"):
        return Helm(Path(installed))
    ends = time.monotonic() + BUILD_SECONDS
    while _is_being_built():
        if time.monotonic() > ends:
            pytest.skip(f"helm is still being built after {BUILD_SECONDS:.0f} s")
        time.sleep(1)
    if not (BUILT / "helm").exists():
        pytest.skip("helm is not installed here")
    return Helm(BUILT / "helm")


def _is_being_built() -> bool:
    """Whether .ci/run holds the lock."""
    try:
        with (BUILT / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The chart's tests come last, for helm may still be being built."""
    items.sort(key=lambda item: "helm" in getattr(item, "fixturenames", ()))


def kind(manifests: list[Manifest], wanted: str, suffix: str = "") -> Manifest:
    """The one of this kind, of those whose names end like this."""
    (found,) = [one for one in manifests if one["kind"] == wanted and one["metadata"]["name"].endswith(suffix)]
    return found


RESOURCES = {
    "v1": ["Secret secrets", "ConfigMap configmaps", "Service services"],
    "apps/v1": ["Deployment deployments"],
    "batch/v1": ["Job jobs"],
    "policy/v1": ["PodDisruptionBudget poddisruptionbudgets"],
    "networking.k8s.io/v1": ["NetworkPolicy networkpolicies"],
    "monitoring.coreos.com/v1": ["ServiceMonitor servicemonitors", "PrometheusRule prometheusrules"],
    "keda.sh/v1alpha1": ["ScaledObject scaledobjects", "TriggerAuthentication triggerauthentications"],
}


@contextmanager
def api_server(secrets: Mapping[str, Mapping[str, str]], kubeconfig: Path) -> Iterator[None]:
    """Stands in for a cluster's API server, of which there is none to be had here: it has these Secrets, and nothing
    else. Enough for `helm install --dry-run=server`, which looks Secrets up and tells the notes.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = _answer(self.path.partition("?")[0], secrets)
            send(self, status, json.dumps(document))

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        config = {
            **{"apiVersion": "v1", "kind": "Config", "current-context": "c"},
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
        }
        kubeconfig.write_text(json.dumps(config))
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def _answer(path: str, secrets: Mapping[str, Mapping[str, str]]) -> tuple[int, Manifest]:
    if path == "/version":
        return 200, {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
    if path == "/api":
        return 200, {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = [
            {"name": name.partition("/")[0], "versions": [{"groupVersion": name, "version": name.rpartition("/")[2]}]}
            for name in RESOURCES
            if "/" in name
        ]
        return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if (version := path.removeprefix("/apis/").removeprefix("/api/")) in RESOURCES:
        resources = [
            {"name": name, "kind": of, "namespaced": True, "verbs": ["get", "list", "create"]}
            for of, name in (text.split() for text in RESOURCES[version])
        ]
        return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}
    if path.endswith("/secrets"):
        return 200, {"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": []}
    name = path.rpartition("/")[2]
    if "/secrets/" in path and name in secrets:
        metadata = {"name": name, "namespace": "default"}
        return 200, {"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "data": dict(secrets[name])}
    return 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
