"""What arguments of Kubernetes and of drawn passwords have to be, wherever a program makes such things itself."""

from __future__ import annotations

from typing import Final

from infra.guard.want import Is, Least, Missing, Never, Want

__all__ = ["WANTS"]

_SERVICE = "kubernetes:core/v1:Service"
_SET = "kubernetes:apps/v1:StatefulSet"
_POD = "spec.template.spec"

WANTS: Final = (
    Want(
        "no-public-load-balancer",
        _SERVICE,
        "spec.type",
        Never(("LoadBalancer", "NodePort")),
        "The chart has a gateway.",
    ),
    Want("no-public-load-balancer", _SERVICE, "spec.externalIPs", Missing(), "The chart has a gateway."),
    Want("narrow-rights", _SET, f"{_POD}.hostNetwork", Missing(), "A pod in the node's network passes by policies."),
    Want(
        "narrow-rights", _SET, f"{_POD}.securityContext.runAsNonRoot", Is((True,)), "Root in a pod is root too often."
    ),
    Want("narrow-rights", _SET, f"{_POD}.automountServiceAccountToken", Is((False,)), "Nothing here asks the API."),
    Want(
        "no-long-lived-keys",
        "random:index/randomPassword:RandomPassword",
        "length",
        Least(24),
        "Short ones are guessed.",
    ),
)
