"""Serve's own port of each replica, kept to loopback where all of Ray is.

Ray Serve 2.60 gives each replica a gRPC server for calls between deployments and binds it to every interface, whatever
Ray itself listens on. It asks for Ray's token, and nobody here calls it, since our calls go through Ray; but a cell
that says it listens on loopback alone must do so. No setting of Ray's moves it.
"""

from __future__ import annotations

from typing import Any, Final

from serving.errors import Unavailable

__all__ = ["LOOPBACK", "keep_to_loopback"]

LOOPBACK: Final = "127.0.0.1"
_EVERYWHERE: Final = "[::]"
_BINDS: Final = "add_port_to_grpc_server"  # of ray.serve._private.replica, which is handed in


def keep_to_loopback(replica: Any) -> None:
    """Changes how this process's replica will bind that port. Call it before the replica has begun.

    Raises Unavailable for a Ray that does it another way, since the port might be open to everybody there.
    """
    binds = getattr(replica, _BINDS, None)
    if binds is None:
        raise Unavailable(
            "This version of Ray Serve opens its ports another way. Install the version of the lock file."
        )

    def bind(server: Any, address: str) -> int:
        return int(binds(server, address.replace(_EVERYWHERE, LOOPBACK)))

    setattr(replica, _BINDS, bind)
