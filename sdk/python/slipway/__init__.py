"""Slipway's Python client: `Client` for a server, `capture()` for a record of code, environment, data and outputs.

It needs nothing but the standard library. MLflow's own client works against the same server, on the same runs.
"""
from .active import ActiveRun
from .record import Capture, capture
from .client import Client
from .errors import Conflict, Denied, IntegrityError, InvalidRequest, NotFound, SlipwayError, Unavailable
from .types import Experiment, FileInfo, Gate, Metric, ModelVersion, Reproduction, Run

__version__ = "0.1.0"
__all__ = [
    "ActiveRun", "Capture", "Client", "Conflict", "Denied", "Experiment", "FileInfo", "Gate", "IntegrityError",
    "InvalidRequest", "Metric", "ModelVersion", "NotFound", "Reproduction", "Run", "SlipwayError", "Unavailable", "capture",
]
