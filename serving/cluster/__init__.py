"""A cell in many processes on Ray Serve: one recorder, gateways, studios. `serving.ray_app` names them to Ray.

    Recorder   one process: writes the residency log, takes back lost jobs, ends what has expired
    Door       gateways: each has an HTTP server of its own, since Ray's proxy reads bodies before anybody has decided
    Bench      studios: each pulls jobs into an engine of its own

The classes here know Ray by a handle alone, so that tests run them without it.
"""
