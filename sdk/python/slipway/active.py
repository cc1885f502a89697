"""A run that is being logged to. Metrics are collected and sent by the hundred; everything is on the server after flush()."""
from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Iterable, List, Mapping, Optional, Type, Union

from .types import Metric, Run

if TYPE_CHECKING:
    from .record import Capture
    from .client import Client, Path

KEPT_METRICS = 1000
KEPT_SECONDS = 1.0


class ActiveRun:
    """Made by Client.start_run(). Any thread; metrics of one thread keep their order."""

    def __init__(self, client: "Client", run: Run, owned: bool) -> None:
        self.client = client
        self.info = run
        self._owned = owned
        self._lock = threading.Lock()
        self._kept: List[Metric] = []
        self._flushed = time.monotonic()

    @property
    def run_id(self) -> str:
        return self.info.run_id

    def log_metric(self, key: str, value: float, step: int = 0) -> None:
        self.log_metrics({key: value}, step)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        at = time.time_ns() // 1_000_000
        with self._lock:
            self._kept += [Metric(key, float(value), at, step) for key, value in metrics.items()]
            due = len(self._kept) >= KEPT_METRICS or time.monotonic() - self._flushed > KEPT_SECONDS
        if due:
            self.flush()

    def log_params(self, params: Mapping[str, Any]) -> None:
        self.client.runs.log(self.run_id, params=params)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        self.client.runs.log(self.run_id, tags=tags)

    def log_data(self, name: str, digest: str, source: str = "", context: str = "training") -> None:
        self.client.runs.log_data(self.run_id, name, digest, source, context)

    def log_artifact(self, local: "Path", path: Optional[str] = None) -> None:
        self.client.artifacts.upload(self.run_id, local, path)

    def put_artifact(self, path: str, content: Union[bytes, str, IO[bytes]]) -> None:
        self.client.artifacts.put(self.run_id, path, content)

    def capture(self, data: Iterable["Path"] = (), out: Iterable["Path"] = ()) -> "Capture":
        from .record import capture  # pylint: disable=import-outside-toplevel,cyclic-import
        return capture(run=self, data=data, out=out)

    def flush(self) -> None:
        """Sends what was collected. On an error it stays collected: the same points again change nothing."""
        with self._lock:
            kept, self._kept = self._kept, []
            self._flushed = time.monotonic()
        if not kept:
            return
        try:
            self.client.runs.log(self.run_id, metrics=kept)
        except BaseException:
            with self._lock:
                self._kept = kept + self._kept
            raise

    def end(self, status: str = "FINISHED") -> None:
        self.flush()
        if self._owned:
            self.client.runs.end(self.run_id, status)

    def __enter__(self) -> "ActiveRun":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if kind is None or (kind is SystemExit and getattr(error, "code", None) in (None, 0)):
            status = "FINISHED"
        else:
            status = "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"
        if error is None:
            self.end(status)
            return
        try:  # The error of the block is what counts.
            self.end(status)
        except Exception:  # pylint: disable=broad-except
            pass
