"""The nouns as plain records. Field names are those of the server's JSON; times are Unix milliseconds."""
from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def number(value: Any) -> float:
    """A number as the server writes it: NaN and the infinities are strings."""
    return _NOT_FINITE[value] if isinstance(value, str) and value in _NOT_FINITE else float(value)


def tag_map(items: Optional[List[Mapping[str, str]]]) -> Dict[str, str]:
    return {item["key"]: item.get("value", "") for item in items or []}


@dataclass(frozen=True)
class Experiment:
    experiment_id: str
    name: str
    artifact_location: str = ""
    lifecycle_stage: str = "active"
    created_ms: int = 0
    updated_ms: int = 0
    tags: Dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Experiment":
        return cls(body["experiment_id"], body.get("name", ""), body.get("artifact_location", ""),
                   body.get("lifecycle_stage", "active"), int(body.get("creation_time", 0)),
                   int(body.get("last_update_time", 0)), tag_map(body.get("tags")))


@dataclass(frozen=True)
class Metric:
    key: str
    value: float
    timestamp_ms: int = 0
    step: int = 0

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Metric":
        return cls(body["key"], number(body.get("value", 0)), int(body.get("timestamp", 0)), int(body.get("step", 0)))


@dataclass(frozen=True)
class Run:
    run_id: str
    experiment_id: str
    name: str
    status: str
    artifact_uri: str
    lifecycle_stage: str = "active"
    start_ms: int = 0
    end_ms: Optional[int] = None
    user_id: str = ""
    params: Dict[str, str] = field(default_factory=dict)
    metrics: Dict[str, float] = field(default_factory=dict)
    tags: Dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Run":
        info, data = body["info"], body.get("data", {})
        return cls(info["run_id"], info["experiment_id"], info.get("run_name", ""), info.get("status", "RUNNING"),
                   info.get("artifact_uri", ""), info.get("lifecycle_stage", "active"),
                   int(info.get("start_time", 0)), int(info["end_time"]) if info.get("end_time") else None,
                   info.get("user_id", ""), tag_map(data.get("params")),
                   {m["key"]: number(m.get("value", 0)) for m in data.get("metrics", [])}, tag_map(data.get("tags")))


@dataclass(frozen=True)
class FileInfo:
    path: str
    is_dir: bool
    size: int = 0

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "FileInfo":
        return cls(body["path"], bool(body.get("is_dir")), int(body.get("file_size", 0)))


@dataclass(frozen=True)
class ModelVersion:
    model: str
    version: int
    source: str = ""
    run_id: str = ""
    status: str = "READY"
    stage: str = "None"
    aliases: List[str] = field(default_factory=list)
    tags: Dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "ModelVersion":
        return cls(body["name"], int(body["version"]), body.get("source", ""), body.get("run_id", ""),
                   body.get("status", "READY"), body.get("current_stage", "None"), list(body.get("aliases", [])),
                   tag_map(body.get("tags")))


@dataclass(frozen=True)
class Gate:
    """What the checks of a version said; `checks` as the server lists them."""

    passed: bool
    checks: List[Dict[str, Any]]


@dataclass(frozen=True)
class Reproduction:
    uid: str
    run_id: str
    again_run_id: str
    verdict: str  # "bit-identical", "metric-identical", "different"
    same_status: bool
    environment: str
    outputs: List[Dict[str, Any]]
    metrics: List[Dict[str, Any]]
    actor: str = ""
    created_ms: int = 0

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Reproduction":
        return cls(**{name: body[name] for name in cls.__dataclass_fields__})  # pylint: disable=no-member
