"""Kubernetes' Pod Security Standards, the profile `restricted` with all of `baseline`, rule by rule.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Object = dict[str, Any]
VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"),
    "image",
}
SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
}
SELINUX = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


def containers(pod: Object) -> Iterator[Object]:
    for group in CONTAINERS:
        yield from pod.get(group, ())


def context(of: Object) -> Object:
    return of.get("securityContext") or {}


def effective(pod: Object, container: Object, key: str) -> Any:
    """What counts for a container: its own, or the pod's."""
    return context(container).get(key, context(pod).get(key))


def everywhere(pod: Object) -> Iterator[Object]:
    """The security contexts of the pod and of its containers."""
    yield context(pod)
    yield from map(context, containers(pod))


def capabilities(container: Object) -> Object:
    return context(container).get("capabilities") or {}


def handlers(container: Object) -> Iterator[Object]:
    """What probes and hooks of its life do."""
    yield from (container[name] for name in ("startupProbe", "livenessProbe", "readinessProbe") if name in container)
    yield from (container.get("lifecycle") or {}).values()


RULES: dict[str, Callable[[Object], bool]] = {
    # baseline
    "HostProcess": lambda pod: all(not (c.get("windowsOptions") or {}).get("hostProcess") for c in everywhere(pod)),
    "host namespaces": lambda pod: not any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")),
    "privileged": lambda pod: not any(context(c).get("privileged") for c in containers(pod)),
    "added capabilities": lambda pod: all(
        set(capabilities(c).get("add", ())) <= {"NET_BIND_SERVICE"} for c in containers(pod)
    ),
    "hostPath": lambda pod: not any("hostPath" in volume for volume in pod.get("volumes", ())),
    "host ports": lambda pod: not any(port.get("hostPort") for c in containers(pod) for port in c.get("ports", ())),
    "hosts of probes": lambda pod: (
        not any(
            (handler.get(kind) or {}).get("host")
            for c in containers(pod)
            for handler in handlers(c)
            for kind in ("httpGet", "tcpSocket")
        )
    ),
    "AppArmor": lambda pod: all(
        (c.get("appArmorProfile") or {}).get("type", "RuntimeDefault") in ("RuntimeDefault", "Localhost")
        for c in everywhere(pod)
    ),
    "SELinux": lambda pod: all(
        options.get("type") in SELINUX and not options.get("user") and not options.get("role")
        for options in ((c.get("seLinuxOptions") or {}) for c in everywhere(pod))
    ),
    "procMount": lambda pod: all(context(c).get("procMount", "Default") == "Default" for c in containers(pod)),
    "sysctls": lambda pod: {one["name"] for one in context(pod).get("sysctls", ())} <= SYSCTLS,
    # restricted
    "volume types": lambda pod: all(set(volume) - {"name"} <= VOLUMES for volume in pod.get("volumes", ())),
    "privilege escalation": lambda pod: all(
        context(c).get("allowPrivilegeEscalation") is False for c in containers(pod)
    ),
    "non-root": lambda pod: all(effective(pod, c, "runAsNonRoot") is True for c in containers(pod)),
    "non-root user": lambda pod: all(c.get("runAsUser") != 0 for c in everywhere(pod)),
    "seccomp": lambda pod: all(
        (effective(pod, c, "seccompProfile") or {}).get("type") in ("RuntimeDefault", "Localhost")
        for c in containers(pod)
    ),
    "dropped capabilities": lambda pod: all("ALL" in capabilities(c).get("drop", ()) for c in containers(pod)),
}


def violations(pod: Object) -> list[str]:
    """The rules that this specification of a pod breaks."""
    return [name for name, holds in RULES.items() if not holds(pod)]
