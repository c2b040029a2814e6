"""The pod that keeps a cell's log while its studios live elsewhere: gateway, recorder and housekeeping in one process.

    desk     answers the studios: TLS, one token, three questions
    ask      how a studio in another pod puts them; what `serving.cluster.remote` needs and no more
    keeper   joins recorder, gateway and desk: `python -m serving.keeper SETTINGS`
    deploy   sends the studios' application to a Ray that no KubeRay looks after

Ray alone could carry these calls. It is not asked to, because an upgrade then has two Ray clusters beside each other,
and the log must have one writer throughout. So the writer is in neither.
"""
