"""A server's experiments, runs, artifacts, registry and reproductions, typed. Any thread may use one Client."""
from __future__ import annotations

import contextlib
import getpass
import hashlib
import io
import os
import pathlib
import time
import urllib.parse
from typing import IO, Any, Dict, Iterable, Iterator, List, Mapping, Optional, Union

from ._http import DEFAULT_URL, Answer, Body, Transport
from .active import ActiveRun
from .errors import InvalidRequest, NotFound, SlipwayError
from .types import Experiment, FileInfo, Gate, Metric, ModelVersion, Reproduction, Run

MLFLOW = "/api/2.0/mlflow/"
NATIVE = "/api/slipway/v1/"
_PROXIED = "mlflow-artifacts:/"
_PROXY = "/api/2.0/mlflow-artifacts/artifacts/"

# Of one log-batch; what is more goes in several.
BATCH_METRICS = 1000
BATCH_PARAMS = 100
BATCH_TAGS = 100
BATCH_ALL = 1000

Path = Union[str, "os.PathLike[str]"]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


class Client:
    """`url`: else SLIPWAY_URL, else loopback; `token`: else SLIPWAY_TOKEN; `project`: else SLIPWAY_PROJECT, else "default"."""

    def __init__(self, url: Optional[str] = None, token: Optional[str] = None, project: Optional[str] = None,
                 timeout: float = 30.0) -> None:
        headers: Dict[str, str] = {"User-Agent": "slipway-python"}
        token = token or os.environ.get("SLIPWAY_TOKEN")
        project = project or os.environ.get("SLIPWAY_PROJECT")
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if project:
            headers["X-Slipway-Project"] = project
        self.transport = Transport(url or os.environ.get("SLIPWAY_URL") or DEFAULT_URL, headers, timeout)
        self.experiments = Experiments(self)
        self.runs = Runs(self)
        self.artifacts = Artifacts(self)
        self.models = Models(self)

    @property
    def url(self) -> str:
        return self.transport.url

    def call(self, method: str, path: str, body: Body = None, query: Optional[Mapping[str, Any]] = None,
             repeatable: Optional[bool] = None) -> Any:
        """Any call; a path without a leading '/' is below /api/slipway/v1/. Answers the JSON."""
        return self._send(method, path, body, query, repeatable).json()

    def _send(self, method: str, path: str, body: Body = None, query: Optional[Mapping[str, Any]] = None,
              repeatable: Optional[bool] = None) -> Answer:
        if not path.startswith("/"):
            path = NATIVE + path
        if query:
            path += "?" + urllib.parse.urlencode({k: v for k, v in query.items() if v is not None}, doseq=True)
        return self.transport.send(method, path, body, repeatable)

    def mlflow(self, method: str, path: str, body: Optional[Mapping[str, Any]] = None, repeatable: Optional[bool] = None) -> Any:
        if method == "GET":
            return self.call(method, MLFLOW + path, query=body)
        return self.call(method, MLFLOW + path, body or {}, repeatable=repeatable)

    def status(self) -> Dict[str, Any]:
        answer: Dict[str, Any] = self.call("GET", "status")
        return answer

    def items(self, path: str, **query: Any) -> Iterator[Dict[str, Any]]:
        """All items of one of the server's own lists, page by page."""
        while True:
            page = self.call("GET", path, query=query)
            yield from page["items"]
            token = page.get("next_page_token")
            if not token:
                return
            query["page_token"] = token

    def start_run(self, experiment: Optional[str] = None, name: Optional[str] = None,
                  tags: Optional[Mapping[str, str]] = None) -> ActiveRun:
        """A run to log to: the one that `slipway run` (or MLFLOW_RUN_ID) names, else a new one.

        `experiment` is a name; it is made when it is new. Used as a context manager the run ends with the block:
        FINISHED, FAILED on an exception, KILLED on an interrupt. One that was named from outside is left open.
        """
        named = os.environ.get("MLFLOW_RUN_ID")
        if named:
            return ActiveRun(self, self.runs.get(named), owned=False)
        name_of_experiment = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME")
        where = self.experiments.ensure(name_of_experiment).experiment_id if name_of_experiment else "0"
        return ActiveRun(self, self.runs.create(where, name, tags), owned=True)

    def close(self) -> None:
        self.transport.close()


class Experiments:
    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, name: str, artifact_location: Optional[str] = None, tags: Optional[Mapping[str, str]] = None) -> str:
        body: Dict[str, Any] = {"name": name, "tags": _tags(tags)}
        if artifact_location:
            body["artifact_location"] = artifact_location
        answer: str = self._client.mlflow("POST", "experiments/create", body)["experiment_id"]
        return answer

    def get(self, experiment_id: str) -> Experiment:
        return Experiment.of(self._client.mlflow("GET", "experiments/get", {"experiment_id": experiment_id})["experiment"])

    def by_name(self, name: str) -> Experiment:
        return Experiment.of(
            self._client.mlflow("GET", "experiments/get-by-name", {"experiment_name": name})["experiment"])

    def ensure(self, name: str) -> Experiment:
        """The experiment of that name, made when there is none, also when two do so at once."""
        try:
            return self.by_name(name)
        except NotFound:
            pass
        try:
            return self.get(self.create(name))
        except SlipwayError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self.by_name(name)

    def search(self, filter: str = "", view: str = "ACTIVE_ONLY", order_by: Iterable[str] = ()) -> Iterator[Experiment]:  # pylint: disable=redefined-builtin
        body: Dict[str, Any] = {"filter": filter, "view_type": view, "max_results": 1000, "order_by": list(order_by)}
        for page in _pages(self._client, "experiments/search", body):
            yield from (Experiment.of(item) for item in page.get("experiments", []))

    def rename(self, experiment_id: str, name: str) -> None:
        self._client.mlflow("POST", "experiments/update", {"experiment_id": experiment_id, "new_name": name})

    def set_tag(self, experiment_id: str, key: str, value: str) -> None:
        self._client.mlflow("POST", "experiments/set-experiment-tag",
                            {"experiment_id": experiment_id, "key": key, "value": value}, repeatable=True)

    def delete(self, experiment_id: str) -> None:
        self._client.mlflow("POST", "experiments/delete", {"experiment_id": experiment_id})

    def restore(self, experiment_id: str) -> None:
        self._client.mlflow("POST", "experiments/restore", {"experiment_id": experiment_id})


class Runs:
    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, experiment_id: str = "0", name: Optional[str] = None, tags: Optional[Mapping[str, str]] = None) -> Run:
        body: Dict[str, Any] = {"experiment_id": experiment_id, "start_time": now_ms(), "tags": _tags(tags), "user_id": _user()}
        if name:
            body["run_name"] = name
        return Run.of(self._client.mlflow("POST", "runs/create", body)["run"])

    def get(self, run_id: str) -> Run:
        return Run.of(self._client.mlflow("GET", "runs/get", {"run_id": run_id})["run"])

    def search(self, experiment_ids: Iterable[str], filter: str = "", order_by: Iterable[str] = (),  # pylint: disable=redefined-builtin
               view: str = "ACTIVE_ONLY", limit: Optional[int] = None) -> Iterator[Run]:
        """Newest first unless `order_by` says otherwise; pages are fetched as they are needed."""
        left = limit
        body: Dict[str, Any] = {"experiment_ids": list(experiment_ids), "filter": filter, "order_by": list(order_by),
                                "run_view_type": view, "max_results": min(1000, limit or 1000)}
        for page in _pages(self._client, "runs/search", body):
            for item in page.get("runs", []):
                if left is not None:
                    if left <= 0:
                        return
                    left -= 1
                yield Run.of(item)
            if left is not None and left <= 0:
                return

    def update(self, run_id: str, status: Optional[str] = None, name: Optional[str] = None, end_ms: Optional[int] = None) -> None:
        body: Dict[str, Any] = {"run_id": run_id}
        body.update({k: v for k, v in (("status", status), ("run_name", name), ("end_time", end_ms)) if v is not None})
        self._client.mlflow("POST", "runs/update", body, repeatable=True)

    def end(self, run_id: str, status: str = "FINISHED") -> None:
        self.update(run_id, status=status, end_ms=now_ms())

    def delete(self, run_id: str) -> None:
        self._client.mlflow("POST", "runs/delete", {"run_id": run_id}, repeatable=True)

    def restore(self, run_id: str) -> None:
        self._client.mlflow("POST", "runs/restore", {"run_id": run_id}, repeatable=True)

    def log(self, run_id: str, metrics: Iterable[Metric] = (), params: Optional[Mapping[str, Any]] = None,
            tags: Optional[Mapping[str, Any]] = None) -> None:
        """Logs all of it in as few calls as the limits of one allow; each is atomic, and safe to repeat."""
        metric_items = [{"key": m.key, "value": _json_number(m.value), "timestamp": m.timestamp_ms or now_ms(), "step": m.step}
                        for m in metrics]
        param_items = [{"key": k, "value": str(v)} for k, v in (params or {}).items()]
        tag_items = [{"key": k, "value": str(v)} for k, v in (tags or {}).items()]
        while metric_items or param_items or tag_items:
            some_params, param_items = param_items[:BATCH_PARAMS], param_items[BATCH_PARAMS:]
            some_tags, tag_items = tag_items[:BATCH_TAGS], tag_items[BATCH_TAGS:]
            room = min(BATCH_METRICS, BATCH_ALL - len(some_params) - len(some_tags))
            some_metrics, metric_items = metric_items[:room], metric_items[room:]
            self._client.mlflow("POST", "runs/log-batch",
                                {"run_id": run_id, "metrics": some_metrics, "params": some_params, "tags": some_tags},
                                repeatable=True)

    def delete_tag(self, run_id: str, key: str) -> None:
        self._client.mlflow("POST", "runs/delete-tag", {"run_id": run_id, "key": key})

    def log_data(self, run_id: str, name: str, digest: str, source: str = "", context: str = "training") -> None:
        """Names a dataset that the run reads; `digest` in full is kept beside MLflow's short one."""
        self._client.mlflow("POST", "runs/log-inputs", {"run_id": run_id, "datasets": [dataset_input(name, digest, source, context)]},
                            repeatable=True)

    def history(self, run_id: str, key: str) -> Iterator[Metric]:
        query: Dict[str, Any] = {"run_id": run_id, "metric_key": key, "max_results": 25_000}
        while True:
            page = self._client.mlflow("GET", "metrics/get-history", query)
            yield from (Metric.of(item) for item in page.get("metrics", []))
            if not page.get("next_page_token"):
                return
            query["page_token"] = page["next_page_token"]

    def reproductions(self, run_id: str) -> List[Reproduction]:
        return [Reproduction.of(item) for item in self._client.items(f"runs/{quoted(run_id)}/reproductions")]

    def judge(self, run_id: str, again_run_id: str, outputs: Iterable[Mapping[str, str]] = (), environment: str = "",
              ignored_metrics: Iterable[str] = ()) -> Reproduction:
        """What the server finds of a run that was done again; `outputs` of {path, was, now}, SHA-256 each."""
        return Reproduction.of(self._client.call("POST", f"runs/{quoted(run_id)}/reproductions", {
            "again_run_id": again_run_id, "environment": environment, "outputs": [dict(o) for o in outputs],
            "ignored_metrics": list(ignored_metrics)}, repeatable=True))


class Artifacts:
    def __init__(self, client: Client) -> None:
        self._client = client

    def _address(self, run_id: str, path: str) -> str:
        uri = self._client.runs.get(run_id).artifact_uri
        if not uri.startswith(_PROXIED):
            raise InvalidRequest("client.artifact_root", f"the artifacts of run {run_id} lie at {uri}, not on this server")
        return _PROXY + urllib.parse.quote(uri[len(_PROXIED):].strip("/") + "/" + path)

    def put(self, run_id: str, path: str, content: Union[bytes, str, IO[bytes]]) -> None:
        if isinstance(content, str):
            content = content.encode()
        self._client.call("PUT", self._address(run_id, path), content)

    def upload(self, run_id: str, local: Path, path: Optional[str] = None) -> List[str]:
        """A file, or all files below a directory; the paths they got."""
        source = pathlib.Path(local)
        if source.is_dir():
            files = sorted(p for p in source.rglob("*") if p.is_file())
            names = ["/".join(filter(None, [path or "", p.relative_to(source).as_posix()])) for p in files]
        else:
            files, names = [source], [path or source.name]
        for file, name in zip(files, names):
            with file.open("rb") as content:
                self.put(run_id, name, content)
        return names

    def get(self, run_id: str, path: str) -> bytes:
        out = io.BytesIO()
        for piece in self._client._send("GET", self._address(run_id, path)).pieces():  # pylint: disable=protected-access
            out.write(piece)
        return out.getvalue()

    def download(self, run_id: str, path: str, local: Path) -> str:
        """Into the file `local`, which is there whole or not at all; its SHA-256."""
        target = pathlib.Path(local)
        part = target.with_name(target.name + ".partial")
        digest = hashlib.sha256()
        try:
            with part.open("wb") as out:
                for piece in self._client._send("GET", self._address(run_id, path)).pieces():  # pylint: disable=protected-access
                    digest.update(piece)
                    out.write(piece)
            part.replace(target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
        return digest.hexdigest()

    def list(self, run_id: str, path: str = "") -> List[FileInfo]:
        body = self._client.mlflow("GET", "artifacts/list", {"run_id": run_id, "path": path or None})
        return [FileInfo.of(item) for item in body.get("files", [])]


class Models:
    def __init__(self, client: Client) -> None:
        self._client = client

    def _at(self, model: str, version: Optional[int] = None, rest: str = "") -> str:
        return f"models/{quoted(model)}" + (f"/versions/{int(version)}" if version is not None else "") + rest

    def create(self, name: str, description: str = "", tags: Optional[Mapping[str, str]] = None) -> None:
        self._client.mlflow("POST", "registered-models/create", {"name": name, "description": description, "tags": _tags(tags)})

    def list(self) -> Iterator[Dict[str, Any]]:
        return self._client.items("models")

    def show(self, model: str, version: Optional[int] = None) -> Dict[str, Any]:
        answer: Dict[str, Any] = self._client.call("GET", self._at(model, version))
        return answer

    def register(self, model: str, run_id: str, path: str = "model", description: str = "",
                 tags: Optional[Mapping[str, str]] = None) -> ModelVersion:
        """A version from a directory of a run's artifacts; the model is made when it is new."""
        try:
            self.create(model)
        except SlipwayError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = self._client.runs.get(run_id).artifact_uri.rstrip("/") + "/" + path
        return ModelVersion.of(self._client.mlflow("POST", "model-versions/create", {
            "name": model, "source": source, "run_id": run_id, "description": description,
            "tags": _tags(tags)})["model_version"])

    def version(self, model: str, version: int) -> ModelVersion:
        return ModelVersion.of(self._client.mlflow("GET", "model-versions/get",
                                                   {"name": model, "version": str(version)})["model_version"])

    def by_alias(self, model: str, alias: str) -> ModelVersion:
        return ModelVersion.of(self._client.mlflow("GET", "registered-models/alias",
                                                   {"name": model, "alias": alias})["model_version"])

    def set_alias(self, model: str, alias: str, version: int) -> None:
        self._client.mlflow("POST", "registered-models/alias", {"name": model, "alias": alias, "version": str(version)},
                            repeatable=True)

    def drop_alias(self, model: str, alias: str) -> None:
        self._client.call("DELETE", MLFLOW + "registered-models/alias", {"name": model, "alias": alias})

    def delete(self, model: str) -> None:
        self._client.call("DELETE", MLFLOW + "registered-models/delete", {"name": model})

    def gate(self, model: str, version: int, checks: Optional[List[Mapping[str, Any]]] = None) -> Gate:
        """Judges a version by `checks`, or by those of its policy."""
        body = {"checks": [dict(c) for c in checks]} if checks else {}
        judged = self._client.call("POST", self._at(model, version, "/gate"), body)
        return Gate(bool(judged["passed"]), list(judged.get("checks", [])))

    def request(self, model: str, version: int, to: str = "Production", comment: str = "",
                rollback_to: Optional[int] = None) -> Dict[str, Any]:
        body: Dict[str, Any] = {"to": to, "comment": comment}
        if rollback_to is not None:
            body["rollback_to"] = rollback_to
        return self._post(model, version, "/requests", body)

    def approve(self, model: str, version: int, to: str = "Production", comment: str = "", apply: bool = False) -> Dict[str, Any]:
        return self._post(model, version, "/approve", {"to": to, "comment": comment, "apply": apply})

    def reject(self, model: str, version: int, to: str = "Production", comment: str = "") -> Dict[str, Any]:
        return self._post(model, version, "/reject", {"to": to, "comment": comment})

    def promote(self, model: str, version: int, stage: str = "Production") -> Dict[str, Any]:
        return self._post(model, version, "/promote", {"stage": stage})

    def rollback(self, model: str, reason: str, stage: str = "Production") -> Dict[str, Any]:
        answer: Dict[str, Any] = self._client.call("POST", self._at(model, None, "/rollback"), {"reason": reason, "stage": stage})
        return answer

    def history(self, model: str, at: Optional[str] = None) -> List[Dict[str, Any]]:
        return list(self._client.items(self._at(model, None, "/history"), **({"at": at} if at else {})))

    def _post(self, model: str, version: int, rest: str, body: Mapping[str, Any]) -> Dict[str, Any]:
        answer: Dict[str, Any] = self._client.call("POST", self._at(model, version, rest), body)
        return answer


def dataset_input(name: str, digest: str, source: str = "", context: str = "training") -> Dict[str, Any]:
    digest = digest.split(":", 1)[-1]
    return {"dataset": {"name": name, "digest": digest[:36], "source_type": "local", "source": source or name},
            "tags": [{"key": "mlflow.data.context", "value": context}, {"key": "slipway.sha256", "value": digest}]}


def _pages(client: Client, path: str, body: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    while True:
        page = client.mlflow("POST", path, body, repeatable=True)
        yield page
        if not page.get("next_page_token"):
            return
        body["page_token"] = page["next_page_token"]


def _tags(tags: Optional[Mapping[str, Any]]) -> List[Dict[str, str]]:
    return [{"key": k, "value": str(v)} for k, v in (tags or {}).items()]


def _json_number(value: float) -> Union[float, str]:
    value = float(value)
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
