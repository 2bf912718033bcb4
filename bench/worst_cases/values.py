"""Expensive variables, arguments, labels and other values."""

from __future__ import annotations

from typing import Final

from bench.worst_cases.spec import CONTAINERS, Spec, inheriting, make_backend


def inherited_env(n: int) -> Spec:
    """Variables of the backend that 64 containers inherit."""
    return {"backend": make_backend(env=[{"name": f"e{index}"} for index in range(n)]), **inheriting()}


def merged_env(n: int) -> Spec:
    """Variables of the backend that 64 containers merge with one of their own."""
    backend = make_backend(env=[{"name": f"e{index}"} for index in range(n)])
    return {"backend": backend, **inheriting(env=[{"name": "own"}])}


def invalid_env(n: int) -> Spec:
    """Variables with invalid names: an issue for each."""
    return {"backend": make_backend(env=[{"name": f"={index}"} for index in range(n)])}


def inherited_env_from(n: int) -> Spec:
    """The most objects for a size: empty sources of variables, which 64 containers inherit."""
    return {"backend": make_backend(envFrom=[{}] * n), **inheriting()}


def inherited_arguments(n: int) -> Spec:
    """The most strings for a size: empty arguments."""
    return {"backend": make_backend(args=[""] * n), **inheriting()}


def tolerations(n: int) -> Spec:
    """The most objects for a size: empty tolerations."""
    return {"backend": make_backend(), "pod": {"tolerations": [{}] * n}}


def claims(n: int) -> Spec:
    """Claims per replica, and shared claims with names that could collide."""
    volumes = [
        {"name": f"v{index}", "claim": {"perReplica": index % 2 == 0, "resources": {"requests": {"storage": "1Gi"}}}}
        for index in range(n)
    ]
    return {"backend": make_backend(), "volumes": volumes, "workload": {"kind": "StatefulSet"}}


def projected_sources(n: int) -> Spec:
    """Empty sources of a projected volume."""
    return {"backend": make_backend(), "volumes": [{"name": "v", "projected": {"sources": [{}] * n}}]}


def unsupported_sidecars(n: int) -> Spec:
    """Sidecars that a Pod does not support in combination with a restartPolicy, in a spec with many values."""
    sidecars = [{"name": f"s{index}", "native": False, "image": "a"} for index in range(CONTAINERS)]
    return {
        "workload": {"kind": "Pod"},
        "backend": make_backend(args=[""] * n),
        "sidecars": sidecars,
        "pod": {"restartPolicy": "Never"},
    }


def spread_constraints(n: int) -> Spec:
    """Constraints without labelSelector: a warning for each."""
    listed = [{"maxSkew": 1, "topologyKey": str(index), "whenUnsatisfiable": "ScheduleAnyway"} for index in range(n)]
    return {"backend": make_backend(), "pod": {"topologySpreadConstraints": listed}}


def labels(n: int) -> Spec:
    """Labels with invalid keys and values."""
    return {"backend": make_backend(), "pod": {"metadata": {"labels": {f"-{index}": "-" for index in range(n)}}}}


def empty_objects(n: int) -> Spec:
    """The most objects for a size, spread over all containers: as many values as a spec may have."""
    return {"backend": make_backend(envFrom=[{}] * n), **inheriting(image="a", envFrom=[{}] * n)}


def long_label(n: int) -> Spec:
    """One label with a key and a value as long as possible."""
    return {"backend": make_backend(), "pod": {"metadata": {"labels": {"a." * (n // 2) + "/": "a" * (n // 2) + "-"}}}}


def quantities(n: int) -> Spec:
    """Requests above their limits."""
    resources = {
        "requests": {f"r{index}": "2" for index in range(n)},
        "limits": {f"r{index}": "1" for index in range(n)},
    }
    return {"backend": make_backend(resources=resources)}


def negative_integers(n: int) -> Spec:
    """Negative integers: an issue for each."""
    return {
        "backend": make_backend(),
        "pod": {"securityContext": {"supplementalGroups": [-1 - index for index in range(n)]}},
    }


def headers(n: int) -> Spec:
    """HTTP headers of a probe with invalid names."""
    probe = {"httpGet": {"port": 1, "httpHeaders": [{"name": "", "value": ""}] * n}}
    return {"backend": make_backend(livenessProbe=probe)}


def schedule(n: int) -> Spec:
    """A cron schedule with a long list."""
    cron_job = {"schedule": f"{','.join(['1'] * n)} * * * *"}
    return {"backend": make_backend(), "workload": {"kind": "CronJob", "cronJob": cron_job}}


def excepted_networks(n: int) -> Spec:
    """Address ranges of a NetworkPolicy."""
    peers = [{"ipBlock": {"cidr": "::/0", "except": [f"{index:x}::/9" for index in range(n)]}}]
    return {"backend": make_backend(ports=[{"containerPort": 1}]), "networkPolicy": {"from": peers}}


def rules_of_network_policy(n: int) -> Spec:
    """Invalid peers of the rules of a NetworkPolicy."""
    rules: list[Spec] = [{"from": [{} for _ in range(n // 64 + 1)]} for _ in range(64)]
    egress = [{"to": each["from"]} for each in rules]
    policy = {"ingress": rules, "egress": egress}
    return {"backend": make_backend(ports=[{"containerPort": 1}]), "networkPolicy": policy}


def node_affinity(n: int) -> Spec:
    """Values of a node selector."""
    expressions = [{"key": "a", "operator": "In", "values": [""] * n}]
    terms = [{"matchExpressions": expressions}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    return {"backend": make_backend(), "pod": {"affinity": affinity}}


def inherited_capabilities(n: int) -> Spec:
    """Capabilities that 64 containers inherit and `podSecurity` warns of."""
    context = {"capabilities": {"add": [f"{index:x}" for index in range(n)]}}
    return {"backend": make_backend(securityContext=context), **inheriting(), "podSecurity": "restricted"}


CASES: Final = (
    inherited_env,
    merged_env,
    invalid_env,
    inherited_env_from,
    inherited_arguments,
    tolerations,
    claims,
    projected_sources,
    unsupported_sidecars,
    spread_constraints,
    labels,
    empty_objects,
    long_label,
    quantities,
    negative_integers,
    headers,
    schedule,
    excepted_networks,
    rules_of_network_policy,
    node_affinity,
    inherited_capabilities,
)
