"""The chart of deploy/helm: rendered by Helm, held against Kubernetes' schemas and the restricted profile, and run."""

from __future__ import annotations

import base64
import copy
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import kubernetes_validate
import psycopg
import pytest
import yaml
from fix_helm import CHART, Helm, Manifest, api_server, kind
from fix_relay import Site, eventually
from pod_security import RULES, containers, violations
from ports import free_port

from bridge.errors import ConfigError, DatabaseUnavailable
from bridge.relay.signals import GRACE_SECONDS

ROOT = CHART.parents[2]
EVERYTHING = Path(__file__).with_name("everything.yaml")
VERSIONS = ("1.27", "1.30", "1.33", kubernetes_validate.latest_version().removesuffix(".0"))
CUSTOM = {"ServiceMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"}  # whose schemas nobody ships
LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


def pods(manifests: list[Manifest]) -> Iterator[Manifest]:
    """The specifications of all pods."""
    yield from (one["spec"]["template"]["spec"] for one in manifests if one["kind"] in ("Deployment", "Job"))


@pytest.mark.parametrize("values", [None, EVERYTHING], ids=["defaults", "everything"])
def test_what_is_rendered_is_valid_and_restricted(helm: Helm, values: Path | None) -> None:
    linted = helm.run("lint", "--strict", str(CHART), *(() if values is None else ("--values", str(values))))
    assert linted.returncode == 0, linted.stdout
    for version in VERSIONS:
        manifests = helm.template(values, version=version)
        for manifest in manifests:
            if manifest["kind"] not in CUSTOM:
                assert kubernetes_validate.validate(manifest, version, strict=True) == version
        assert ({one["kind"] for one in manifests} >= CUSTOM) is (values is not None)
    found = list(pods(manifests))
    assert len(found) == 2
    for pod in found:
        assert violations(pod) == []
        # Beyond the profile.
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert all(c["securityContext"]["readOnlyRootFilesystem"] for c in containers(pod))
    assert len({(one["kind"], one["metadata"]["name"]) for one in manifests}) == len(manifests)


BREAKING: dict[str, Mapping[str, Any]] = {
    "HostProcess": {"securityContext": {"windowsOptions": {"hostProcess": True}}},
    "host namespaces": {"hostPID": True},
    "privileged": {"containers": [{"securityContext": {"privileged": True}}]},
    "added capabilities": {"containers": [{"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]},
    "hostPath": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
    "host ports": {"containers": [{"ports": [{"hostPort": 1}]}]},
    "hosts of probes": {"containers": [{"livenessProbe": {"httpGet": {"host": "example.org"}}}]},
    "AppArmor": {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
    "SELinux": {"securityContext": {"seLinuxOptions": {"user": "u"}}},
    "procMount": {"containers": [{"securityContext": {"procMount": "Unmasked"}}]},
    "sysctls": {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
    "volume types": {"volumes": [{"name": "v", "nfs": {}}]},
    "privilege escalation": {"containers": [{"securityContext": {"allowPrivilegeEscalation": True}}]},
    "non-root": {"initContainers": [{"securityContext": {"runAsNonRoot": False}}]},
    "non-root user": {"securityContext": {"runAsUser": 0}},
    "seccomp": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
    "dropped capabilities": {"initContainers": [{"securityContext": {"capabilities": {"drop": []}}}]},
}


def test_each_rule_of_the_profile_is_looked_at(helm: Helm) -> None:
    job = kind(helm.template(), "Job")["spec"]["template"]["spec"]
    assert BREAKING.keys() == RULES.keys()
    for rule, change in BREAKING.items():
        assert rule in violations(changed(job, change)), rule


def changed(of: Any, change: Any) -> Any:
    """A copy with that in it; of lists the first items are changed."""
    if isinstance(change, dict):
        of = of or {}
        return {**of, **{key: changed(of.get(key), value) for key, value in change.items()}}
    if isinstance(change, list) and change and isinstance(change[0], dict):
        return [changed((of or [{}])[0], change[0]), *(of or [])[1:]]
    return copy.deepcopy(change)


def test_each_probe_asks_the_page_that_is_for_it(helm: Helm) -> None:
    """On /readyz or /healthz, liveness would kill what only waits."""
    (relay,) = kind(helm.template(), "Deployment")["spec"]["template"]["spec"]["containers"]
    asked = {name: relay[name]["httpGet"]["path"] for name in relay if name.endswith("Probe")}
    assert asked == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


def test_a_relay_has_time_to_hand_over(helm: Helm) -> None:
    pod = kind(helm.template(), "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= GRACE_SECONDS + 5
    least = f"terminationGracePeriodSeconds={GRACE_SECONDS:.0f}"
    assert "at '/terminationGracePeriodSeconds': minimum" in helm.refusal("--set", least)


def test_the_migration_is_not_tried_again_where_that_is_no_use(helm: Helm) -> None:
    (by_code, _) = kind(helm.template(), "Job")["spec"]["podFailurePolicy"]["rules"]
    assert ConfigError.exit_code in by_code["onExitCodes"]["values"]
    assert DatabaseUnavailable.exit_code not in by_code["onExitCodes"]["values"]


def test_rules_dashboard_and_version_have_one_source(helm: Helm) -> None:
    files = {"alerts.yml": "prometheus/alerts.yml", "dashboard.json": "grafana/bridge.json"}
    for copied, source in files.items():
        assert (CHART / "files" / copied).read_bytes() == (ROOT / "config" / source).read_bytes(), "make chart"
    manifests = helm.template(EVERYTHING)
    rules = kind(manifests, "PrometheusRule")["spec"]
    assert rules == yaml.safe_load((ROOT / "config" / "prometheus" / "alerts.yml").read_text())
    shown = kind(manifests, "ConfigMap", "-dashboard")["data"]["bridge.json"]
    assert shown == (ROOT / "config" / "grafana" / "bridge.json").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == project["version"]


def test_who_may_reach_whom(helm: Helm) -> None:
    manifests = helm.template(EVERYTHING)
    relay, migration = (kind(manifests, "NetworkPolicy", suffix)["spec"] for suffix in ("bridge-x", "-migrate"))
    ports = [[port["port"] for port in rule["ports"]] for rule in relay["egress"]]
    assert ports == [[53, 53], [5432], [9092, 9094, 9095], [8081, 443], [4318]]
    assert [[port["port"] for port in rule["ports"]] for rule in migration["egress"]] == [
        [53, 53],
        [5432, 6432, 6433],
        [4318],
    ]
    assert [[port["port"] for port in rule["ports"]] for rule in relay["ingress"]] == [["http"]]
    assert "ingress" not in migration
    for policy, of in ((relay, kind(manifests, "Deployment")), (migration, kind(manifests, "Job"))):
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        labels = of["spec"]["template"]["metadata"]["labels"]
        assert policy["podSelector"]["matchLabels"].items() <= labels.items()


def test_no_ports_open_nothing(helm: Helm) -> None:
    """A rule of a NetworkPolicy that names none means all of them, and to everywhere."""
    closed = ("--set-json", "networkPolicy.registry.ports=[],networkPolicy.postgres.ports=[]")
    manifests = helm.template(None, *closed)
    relay, migration = (kind(manifests, "NetworkPolicy", suffix)["spec"] for suffix in ("bridge-x", "-migrate"))
    assert [[port["port"] for port in rule["ports"]] for rule in relay["egress"]] == [[53, 53], [9092]]
    assert [[port["port"] for port in rule["ports"]] for rule in migration["egress"]] == [[53, 53]]


def test_replicas_of_one_version_are_spread(helm: Helm) -> None:
    """Counted with those of the version before, the new ones could end up on one node."""
    for rule in kind(helm.template(), "Deployment")["spec"]["template"]["spec"]["topologySpreadConstraints"]:
        assert rule["matchLabelKeys"] == ["pod-template-hash"]
        assert rule["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "relay"


def test_the_migration_runs_where_the_relays_may(helm: Helm) -> None:
    """But beside them, too: where each node has a relay, none would be left for it, and no upgrade would end."""
    relay, migration = pods(helm.template(EVERYTHING))
    for chosen in ("nodeSelector", "tolerations", "priorityClassName", "serviceAccountName", "imagePullSecrets"):
        assert migration[chosen] == relay[chosen] != []
    assert relay["affinity"].keys() == {"nodeAffinity", "podAntiAffinity"}
    assert migration["affinity"] == {"nodeAffinity": relay["affinity"]["nodeAffinity"]}
    assert all("affinity" not in pod for pod in pods(helm.template()))


@pytest.mark.parametrize("name", ["x", "bridge", "a.b", "a-b", "7up", "my-bridge.io", "a" * 53, "bridge." + "b" * 46])
def test_any_releases_name_makes_names_that_kubernetes_takes(helm: Helm, name: str) -> None:
    manifests = helm.template(EVERYTHING, name=name)
    for manifest in manifests:
        kubernetes_name = manifest["metadata"]["name"]
        if manifest["kind"] in ("Service", "Deployment", "Job", "ScaledObject"):  # of which other names are made
            assert LABEL.fullmatch(kubernetes_name), kubernetes_name
    if name == "a.b":
        other = kind(helm.template(EVERYTHING, name="a-b"), "Deployment")["metadata"]["name"]
        assert other != kind(manifests, "Deployment")["metadata"]["name"]


WRONG = {
    "relicas=3": "additional properties 'relicas' not allowed",
    "replicas=-1": "at '/replicas': minimum: got -1, want 0",
    "workers=two": "at '/workers': got string, want integer",
    "kafka=null": "missing property 'kafka'",
    "secrets=null": "missing property 'secrets'",
    "secrets.DATABASE_URL=url": "at '/secrets/DATABASE_URL': got string, want",
    "secrets.DATABASE_URL.value=5": "at '/secrets/DATABASE_URL/value': got number, want string",
    "secrets.REGISTRY_PASSWORD.key=a": "secrets.REGISTRY_PASSWORD has neither a Secret's name (secret) nor a value",
    "secrets.BRIDGE_DATABASE_URL.secret=a": "a name is that of the variable without BRIDGE_",
    "secrets.registry\\.password.secret=a": "a name is that of the variable without BRIDGE_",
    "podAnnotations.a=1": "at '/podAnnotations/a': got number, want string",
    "networkPolicy.kafka.ports={kafka}": "at '/networkPolicy/kafka/ports/0': got string, want integer",
    "registry.url=registry:8081": "at '/registry/url': 'registry:8081' does not match pattern",
    "autoscaling.enabled=true": "autoscaling.connection.secret: KEDA needs a Secret",
    "autoscaling.minReplicas=0": "at '/autoscaling/minReplicas': minimum",
    "nameOverride=a.b": "at '/nameOverride': 'a.b' does not match pattern",
    "schemas.files.a/b\\.avsc=x": 'schemas.files: "a/b.avsc" is no name of a schema',
    "schemas.configMap=a,schemas.files.b\\.avsc=x": "schemas: give files or configMap, not both",
    "podDisruptionBudget.maxUnavailable=0": "at '/podDisruptionBudget/maxUnavailable'",
    "tmpSizeLimit=much": "at '/tmpSizeLimit': 'much' does not match pattern",
}


@pytest.mark.parametrize("value", WRONG)
def test_what_cannot_be_is_refused_with_its_place(helm: Helm, value: str) -> None:
    assert WRONG[value] in helm.refusal("--set", value)


def test_numbers_as_strings_are_refused_and_strings_that_look_like_numbers_kept(helm: Helm) -> None:
    assert "at '/replicas': got string, want integer" in helm.refusal("--set-string", "replicas=2")
    manifests = helm.template(None, "--set-string", "image.tag=1.10,podAnnotations.a=1,secrets.DATABASE_URL.value=007")
    template = kind(manifests, "Deployment")["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == "bridge:1.10"
    assert template["metadata"]["annotations"]["a"] == "1"
    assert kind(manifests, "Secret", "x-secrets")["stringData"] == {"DATABASE_URL": "007"}


def test_on_openshift_the_platform_chooses_the_user(helm: Helm) -> None:
    for pod in pods(helm.template(None, "--api-versions", "security.openshift.io/v1")):
        assert violations(pod) == []
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & pod["securityContext"].keys()


def test_on_openshift_names_are_asked_for_at_another_port(helm: Helm) -> None:
    """Its DNS is a Service at 53, whose pods listen at 5353, and policies look at the pods' port."""
    for arguments, ports in ((), {53}), (("--api-versions", "security.openshift.io/v1"), {53, 5353}):
        policies = [one for one in helm.template(None, *arguments) if one["kind"] == "NetworkPolicy"]
        assert len(policies) == 2
        for policy in policies:
            named = {(port["protocol"], port["port"]) for port in policy["spec"]["egress"][0]["ports"]}
            assert named == {(protocol, port) for protocol in ("TCP", "UDP") for port in ports}


def test_an_installation_says_what_it_made_and_what_is_missing(helm: Helm, tmp_path: Path) -> None:
    def install(secrets: Mapping[str, Mapping[str, str]], *arguments: str) -> subprocess.CompletedProcess[str]:
        with api_server(secrets, tmp_path / "kubeconfig"):
            return helm.run("install", "x", str(CHART), *dry(tmp_path / "kubeconfig"), *arguments)

    content = base64.b64encode(b"content").decode()
    refused = install({"bridge": {"uri": content, "password": content}})
    assert "secrets.DATABASE_URL: the Secret bridge in the namespace default has no key DATABASE_URL" in refused.stderr
    assert "(it has: password, uri)" in refused.stderr
    told = install({"bridge": {"DATABASE_URL": content}}).stdout.partition("NOTES:")[2]
    for part in ("No Kafka is named", "has no routes", "the key DATABASE_URL of the Secret bridge", "Kafka [9092]"):
        assert part in told
    arguments = ("--set", "secrets.DATABASE_URL.value=canary,migrate.enabled=false", "--set-file")
    told = install({}, *arguments, f"config={ROOT / 'config' / 'demo.toml'}").stdout.partition("NOTES:")[2]
    assert "DATABASE_URL: a value of this release" in told
    assert "migrate.enabled is false" in told
    assert "there are no schemas" in told
    assert "canary" not in told


def test_the_documents_commands_and_values_are_taken(helm: Helm, tmp_path: Path) -> None:
    """All values of docs/kubernetes.md at once, by its own command."""
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)
    (tmp_path / "values.yaml").write_text("".join(blocks))
    (tmp_path / "bridge.toml").write_text("[[routes]]\n")
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    (command,) = re.findall(r"^helm (.+)$", text, re.M)
    secrets = {"bridge": {"database-url": ""}, "bridge-owner": {"database-url": ""}}
    with api_server(secrets, tmp_path / "kubeconfig"):
        done = helm.run(*shlex.split(command), *dry(tmp_path / "kubeconfig"), directory=tmp_path)
    assert done.returncode == 0, done.stderr
    told = done.stdout.partition("NOTES:")[2]
    assert "Relays of bridge in default: as many as KEDA asks for" in told
    assert "Mind:" not in told


def dry(kubeconfig: Path) -> list[str]:
    return ["--dry-run=server", "--disable-openapi-validation", "--kubeconfig", str(kubeconfig)]


class Kubelet:
    """Runs rendered containers as processes: volumes are directories of the test's."""

    def __init__(self, manifests: list[Manifest], secrets: Mapping[str, Mapping[str, str]], directory: Path) -> None:
        self._manifests = manifests
        self._secrets = {
            **secrets,
            **{one["metadata"]["name"]: one["stringData"] for one in manifests if one["kind"] == "Secret"},
        }
        self._directory = directory
        self.port = free_port()

    def start(self, container: Manifest, pod: Manifest) -> subprocess.Popen[str]:
        mounted = {mount["mountPath"]: self._volume(mount["name"], pod) for mount in container["volumeMounts"]}

        def there(text: str) -> str:
            text = re.sub(f"^({'|'.join(mounted)})(?=/|$)", lambda found: str(mounted[found[1]]), text)
            return text.replace(":9108", f"127.0.0.1:{self.port}")

        environment = {variable["name"]: there(variable["value"]) for variable in container["env"]}
        ours = {name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}
        command = [sys.executable, "-m", "bridge", *map(there, container["args"])]
        return subprocess.Popen(command, env={**ours, **environment}, text=True, stderr=subprocess.PIPE)

    def _volume(self, name: str, pod: Manifest) -> Path:
        (volume,) = [one for one in pod["volumes"] if one["name"] == name]
        directory = self._directory / pod["containers"][0]["name"] / name
        directory.mkdir(parents=True, exist_ok=True)
        if "configMap" in volume:
            maps = [one for one in self._manifests if one["kind"] == "ConfigMap"]
            (found,) = [one for one in maps if one["metadata"]["name"] == volume["configMap"]["name"]]
            for file, text in found["data"].items():
                (directory / file).write_text(text)
        for source in volume.get("projected", {}).get("sources", ()):
            for item in source["secret"]["items"]:
                (directory / item["path"]).write_text(self._secrets[source["secret"]["name"]][item["key"]])
        return directory


def test_the_rendered_pods_do_their_work(helm: Helm, site: Site, empty_database: str, tmp_path: Path) -> None:
    """Configuration checked, database migrated, events carried, probes answered, and an end in time."""
    config = tmp_path / "chart.toml"
    config.write_text(re.sub(r"^(schemas|url|bootstrap_servers) = .*\n", "", site.config.read_text(), flags=re.M))
    values = tmp_path / "values.yaml"
    schemas = {path.name: path.read_text() for path in (site.config.parent / "schemas").iterdir()}
    values.write_text(
        yaml.safe_dump(
            {
                "workers": 2,
                "schemas": {"files": schemas},
                "secrets": {"DATABASE_URL": {"secret": "db", "key": "uri"}},
                "kafka": {"bootstrapServers": site.settings.kafka.bootstrap_servers},
                "registry": {"url": site.settings.registry.url},
                "migrate": {"databaseUrl": {"value": empty_database}},
            }
        )
    )
    site.use_database(empty_database)
    manifests = helm.template(values, "--set-file", f"config={config}")
    kubelet = Kubelet(manifests, {"db": {"uri": empty_database + "\n"}}, tmp_path / "volumes")
    job = kind(manifests, "Job")["spec"]["template"]["spec"]
    for container in (*job["initContainers"], *job["containers"]):
        done = kubelet.start(container, job)
        assert (done.communicate()[1], done.returncode) == ("", 0), container["name"]
    site.roles.grant(empty_database)
    pod = kind(manifests, "Deployment")["spec"]["template"]["spec"]
    (relay,) = pod["containers"]
    process = kubelet.start(relay, pod)
    try:
        site.publish(100)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            path = relay[probe]["httpGet"]["path"]
            eventually(lambda path=path: answers(f"http://127.0.0.1:{kubelet.port}{path}"))  # type: ignore[misc]
        eventually(lambda: site.pending() == 0)
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=pod["terminationGracePeriodSeconds"])
    assert process.returncode == 0, log
    assert site.audit().is_clean, log


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except HTTPError as error:
        return error.code != 503
    except OSError:  # it does not listen yet
        return False


def test_keda_asks_what_the_database_answers(helm: Helm, database: str) -> None:
    manifests = helm.template(EVERYTHING)
    (trigger,) = kind(manifests, "ScaledObject")["spec"]["triggers"]
    assert "replicas" not in kind(manifests, "Deployment")["spec"]
    with psycopg.connect(database) as db:
        assert db.execute(trigger["metadata"]["query"]).fetchall() == [(0,)]
