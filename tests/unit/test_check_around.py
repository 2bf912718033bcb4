"""What stands around the pod, how many there are, and how one goes."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.stacks import complaints, table

BUDGET = "spec.podDisruptionBudget"
AUTOSCALING = "spec.autoscaling"
SIZED = "backend: {image: x, ports: [{containerPort: 1}], resources: {requests: {cpu: 100m}}}"
NEVER = "(a drain of their node would wait for ever: leave room for one)"
UNSIZED = "and without it never scales (write what the container needs, for example 100m)"
DRAINED = (
    "leaves no time for the 5 s in which nodes still send requests (more than 5, or a preStop of the backend's own)"
)


def per_replica(name: str, policy: str = "Retain", more: str = "") -> str:
    return (
        f"{{name: {name}, claim: {{perReplica: true, retentionPolicy: {{whenScaled: {policy}}}, "
        f"resources: {{requests: {{storage: 1Gi}}}}{more}}}}}"
    )


def mounting(volumes: str, *names: str, more: str = "") -> str:
    mounts = ", ".join(f"{{name: {name}, mountPath: /{name}}}" for name in names)
    return f"{{backend: {{image: x, volumeMounts: [{mounts}]}}, volumes: [{volumes}], {more}}}"


IN_A_SET = "workload: {kind: StatefulSet}"
SHARED = "claim: {resources: {requests: {storage: 1Gi}}"

NETWORK = {
    "ways in": (
        """
        ingress: {hosts: [a.example.com, '*.example.com'], path: /api, tls: {secretName: t}}
        httpRoute: {parentRefs: [{name: g}, {name: g, sectionName: web}], hostnames: [a.example.com]}
        networkPolicy: {from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8}}]}
        """,
        [],
    ),
    "ways in to nothing": (
        "{ingress: {}, httpRoute: {parentRefs: [{name: g}]}, service: {enabled: false}}",
        [
            f"spec.{name}: leads to the stack's Service, and there is none "
            "(declare spec.backend.ports, and leave spec.service enabled)"
            for name in ("ingress", "httpRoute")
        ],
    ),
    "ways in to what speaks no HTTP": (
        "{ingress: {}, backend: {image: x, ports: [{containerPort: 53, protocol: UDP}]}}",
        ["spec.ingress: leads to the Service's first port, which speaks UDP (put the port of HTTP first)"],
    ),
    "hosts that stand twice or are none": (
        """
        ingress: {hosts: [a, b, a, 10.0.0.1]}
        httpRoute: {parentRefs: [{name: g}], hostnames: [a, a]}
        """,
        [
            "spec.ingress.hosts[2]: the host 'a' stands at spec.ingress.hosts[0] already (keep one of the two)",
            "spec.ingress.hosts[3]: '10.0.0.1' is an address "
            "(a host is a name; leave hosts out to answer to every one)",
            "spec.httpRoute.hostnames[1]: the host 'a' stands at spec.httpRoute.hostnames[0] already "
            "(keep one of the two)",
        ],
    ),
    "a gateway twice": (
        "httpRoute: {parentRefs: [{name: g, port: 80}, {name: g, port: 80}]}",
        [
            "spec.httpRoute.parentRefs[1]: 'g' stands at spec.httpRoute.parentRefs[0] already (keep one of the two)",
        ],
    ),
    "a path that turns back": (
        "ingress: {path: /a/../b}",
        ["spec.ingress.path: '/a/../b' is not a plain path (neither '//', '.', '..' nor '%2F')"],
    ),
    "a certificate for nobody in particular": (
        "ingress: {tls: {secretName: t}}",
        [
            "Warning: spec.ingress.tls: is for no host in particular: which certificate a browser gets is up to the "
            "controller (name the hosts)"
        ],
    ),
    "a policy that guards nothing": (
        "{networkPolicy: {}, pod: {hostNetwork: true}}",
        [
            "spec.networkPolicy: guards nothing on spec.pod.hostNetwork: the pod has the node's address "
            "(leave out hostNetwork, or the policy)"
        ],
    ),
    "a policy that admits nobody": (
        "{networkPolicy: {}, service: {enabled: false}}",
        [
            "Warning: spec.networkPolicy: admits nobody: no Service leads to the pods "
            "(leave it so if nobody is to come in, or declare spec.backend.ports)"
        ],
    ),
    "a policy that is switched off": ("{networkPolicy: {enabled: false}, pod: {hostNetwork: true}}", []),
    "a policy for a port of the node": (
        "{networkPolicy: {}, service: {enabled: false}, backend: {image: x, ports: [{containerPort: 1, hostPort: 1}]}}",
        [],
    ),
    "peers that are none": (
        "networkPolicy: {from: [{}, {ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}",
        [
            "spec.networkPolicy.from[0]: names nobody "
            "(podSelector, namespaceSelector or ipBlock; leave `from` out to admit everybody)",
            "spec.networkPolicy.from[1].ipBlock: excludes selectors (make two entries of it)",
        ],
    ),
    "ranges of addresses that are none": (
        "networkPolicy: {from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/33]}}, {ipBlock: {cidr: 10.0.0.1}}]}",
        [
            "spec.networkPolicy.from[0].ipBlock.except[0]: '10.1.0.0/33' is not a range of addresses "
            "(for example 10.0.0.0/8)",
            "spec.networkPolicy.from[1].ipBlock.cidr: '10.0.0.1' is not a range of addresses (for example 10.0.0.0/8)",
        ],
    ),
    "a set's ports without names": (
        "{workload: {kind: StatefulSet}, service: {enabled: false}, "
        "backend: {image: x, ports: [{containerPort: 1}, {containerPort: 2}]}}",
        [
            f"spec.backend.ports[{index}].name: a Service of several ports needs a name for each (write one)"
            for index in (0, 1)
        ],
    ),
}

SCALING = {
    "an autoscaler": (f"{{{SIZED}, autoscaling: {{minReplicas: 2, maxReplicas: 2}}, proxy: {{}}}}", []),
    "two that decide": (
        f"{{{SIZED}, autoscaling: {{maxReplicas: 2}}, replicas: 2}}",
        [
            "spec.replicas: spec.autoscaling decides it (leave it out, or leave out spec.autoscaling; minReplicas and "
            "maxReplicas are the bounds)"
        ],
    ),
    "no room": (
        f"{{{SIZED}, autoscaling: {{minReplicas: 3, maxReplicas: 2}}}}",
        [f"{AUTOSCALING}.minReplicas: 3 is more than maxReplicas 2 (lower it, or raise maxReplicas)"],
    ),
    "numbers that are none": (
        f"{{{SIZED}, autoscaling: {{minReplicas: -1, maxReplicas: 0}}}}",
        [
            f"{AUTOSCALING}.maxReplicas: 0 is less than 1 (at least 1)",
            f"{AUTOSCALING}.minReplicas: -1 is less than 0 (0 or more)",
        ],
    ),
    "a share of nothing": (
        """
        autoscaling: {maxReplicas: 2}
        sidecars: [{name: a, image: a, resources: {limits: {cpu: 1}}}, {name: b}]
        """,
        [
            "Warning: spec.backend.resources.requests.cpu: the autoscaler takes a share of it "
            f"({AUTOSCALING}), {UNSIZED}",
            "Warning: spec.sidecars[1].resources.requests.cpu: the autoscaler takes a share of it "
            f"({AUTOSCALING}), {UNSIZED}",
        ],
    ),
    "shares of one container, and what is no share": (
        f"""
        {SIZED}
        sidecars: [{{name: a, image: a}}]
        autoscaling:
          maxReplicas: 2
          metrics:
          - {{type: ContainerResource, containerResource:
              {{name: cpu, container: backend, target: {{type: Utilization, averageUtilization: 50}}}}}}
          - {{type: Resource, resource: {{name: memory, target: {{type: AverageValue, averageValue: 1Gi}}}}}}
          - {{type: ContainerResource, containerResource:
              {{name: cpu, container: c, target: {{type: Utilization, averageUtilization: 50}}}}}}
        """,
        [f"{AUTOSCALING}.metrics[2].containerResource.container: no container 'c' runs in the pod"],
    ),
    "a budget": ("{replicas: 3, podDisruptionBudget: {minAvailable: 50%}}", []),
    "a budget of nothing and of both": (
        "podDisruptionBudget: {unhealthyPodEvictionPolicy: Never}",
        [
            f"{BUDGET}: does not say how many pods stay (exactly one of minAvailable and maxUnavailable)",
            f"{BUDGET}.unhealthyPodEvictionPolicy: 'Never' is not a policy (IfHealthyBudget or AlwaysAllow)",
        ],
    ),
    "a budget of both": (
        "podDisruptionBudget: {minAvailable: 1, maxUnavailable: half}",
        [
            f"{BUDGET}: says it twice (exactly one of minAvailable and maxUnavailable)",
            f"{BUDGET}.maxUnavailable: 'half' is neither a number nor a share (for example 1 or \"50%\")",
        ],
    ),
    "a budget that lets nobody go": (
        "{replicas: 2, podDisruptionBudget: {minAvailable: 51%}}",
        [f"Warning: {BUDGET}.minAvailable: of 2 pods none may ever be evicted {NEVER}"],
    ),
    "a budget that lets nobody go when the load is low": (
        f"{{{SIZED}, autoscaling: {{minReplicas: 2, maxReplicas: 9}}, podDisruptionBudget: {{minAvailable: 2}}}}",
        [f"Warning: {BUDGET}.minAvailable: of 2 pods none may ever be evicted {NEVER}"],
    ),
    "a budget of none": (
        "podDisruptionBudget: {maxUnavailable: 0%}",
        [f"Warning: {BUDGET}.maxUnavailable: no pod may ever be evicted {NEVER}"],
    ),
    "replicas on a port of the node": (
        "{replicas: 2, backend: {image: x, ports: [{containerPort: 1, hostPort: 1}]}}",
        [
            "Warning: spec.backend.ports[0].hostPort: each of the 2 pods needs a node of its own for it "
            "(a Service needs no hostPort; a DaemonSet has one pod on each node)"
        ],
    ),
    "a pod that has no time to go": (
        "pod: {terminationGracePeriodSeconds: 5}",
        [f"Warning: spec.pod.terminationGracePeriodSeconds: 5 {DRAINED}"],
    ),
    "a pod that has": ("pod: {terminationGracePeriodSeconds: 6}", []),
    "a pod that needs none": ("{pod: {terminationGracePeriodSeconds: 1}, service: {enabled: false}}", []),
    "a pod whose author decides": (
        """
        pod: {terminationGracePeriodSeconds: 5}
        backend: {image: x, ports: [{containerPort: 1}], lifecycle: {preStop: {sleep: {seconds: 2}}}}
        """,
        [],
    ),
}

CLAIMS = {
    "a claim for each replica is not shared": (
        mounting(per_replica("a"), "a", more=f"replicas: 3, {IN_A_SET}"),
        [],
    ),
    "a claim that all nodes want": (
        mounting(f"{{name: a, {SHARED}}}}}", "a", more="workload: {kind: DaemonSet}"),
        [
            "Warning: spec.volumes[0].claim.accessModes: only one node can mount it, and a DaemonSet has a pod on each "
            "(ReadWriteMany, where the storage class has it)"
        ],
    ),
    "a claim that a set's pods hand on": (
        mounting(f"{{name: a, {SHARED}, accessModes: [ReadWriteOncePod]}}}}", "a", more=IN_A_SET),
        [],
    ),
    "a claim that the autoscaler's pods want": (
        f"""
        backend: {{image: x, resources: {{requests: {{cpu: 1}}}}, volumeMounts: [{{name: a, mountPath: /a}}]}}
        volumes: [{{name: a, {SHARED}}}}}]
        autoscaling: {{maxReplicas: 4}}
        """,
        [
            "Warning: spec.volumes[0].claim.accessModes: 4 replicas can only share it where all their pods run on one "
            "node (ReadWriteMany, where the storage class has it)"
        ],
    ),
    "claims that go and stay": (
        mounting(f"{per_replica('a')}, {per_replica('b', 'Delete')}", "a", "b", more=IN_A_SET),
        [
            "spec.volumes[1].claim.retentionPolicy: must be that of spec.volumes[0].claim: a StatefulSet has one for "
            "all its claims (write the same at both)"
        ],
    ),
    "a claim of all that goes with one": (
        mounting(f"{{name: a, {SHARED}, retentionPolicy: {{whenScaled: Delete}}}}}}", "a", more=IN_A_SET),
        [
            "spec.volumes[0].claim.retentionPolicy.whenScaled: only a claim per replica goes when a replica goes "
            "(leave it out, or set perReplica: true)"
        ],
    ),
    "a claim of the name of another": (
        mounting(f"{{name: shop-0, {SHARED}}}}}, {per_replica('shop')}", "shop-0", "shop", more=IN_A_SET),
        [
            "spec.volumes[0].claim: its claim 'shop-shop-0' is also a replica's of spec.volumes[1].claim "
            "(rename one of the volumes)"
        ],
    ),
}


@table(NETWORK | SCALING | CLAIMS)
def test_around_the_pod(text: str, lines: Iterable[str]) -> None:
    assert complaints(text) == lines
