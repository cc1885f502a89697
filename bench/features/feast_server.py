"""feast_server.py FOLDER ENTITIES: Feast's own feature server over its SQLite store, with the bench's views.

Prints a line with http=URL before it serves. The views, the features and the values are those of ours, of ENTITIES
entities alone (Feast writes about ten thousand rows a second, and its answers don't depend on how many there are).
"""
import os
import pathlib
import socket
import sys
from datetime import datetime, timedelta, timezone

FOLDER, ENTITIES = pathlib.Path(sys.argv[1]), int(sys.argv[2])
os.environ |= {"FEAST_USAGE": "False", "FEAST_TELEMETRY": "False", "DO_NOT_TRACK": "true"}
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import pandas as pd  # noqa: E402
import online  # noqa: E402
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType  # noqa: E402
from feast.types import Float64  # noqa: E402

store = FeatureStore(config=RepoConfig(
    project="bench", provider="local", registry=str(FOLDER / "registry.db"), entity_key_serialization_version=3,
    online_store={"type": "sqlite", "path": str(FOLDER / "online.db")}))
entity = Entity(name="id", join_keys=["id"], value_type=ValueType.INT64)
now = datetime.now(timezone.utc)
frames, views = {}, []
for name, features in online.views():
    frame = pd.DataFrame({"id": range(ENTITIES), **{f: [online.value(i, k) for i in range(ENTITIES)] for k, f in enumerate(features)}})
    frame["event_timestamp"] = now - timedelta(minutes=5)
    path = FOLDER / f"{name}.parquet"
    frame.head(1).to_parquet(path)
    views.append(FeatureView(name=name, entities=[entity], schema=[Field(name=f, dtype=Float64) for f in features],
                             source=FileSource(path=str(path), timestamp_field="event_timestamp"), ttl=timedelta(days=1)))
    frames[name] = frame
store.apply([entity, *views])
for name, frame in frames.items():
    store.write_to_online_store(name, frame)

from feast.feature_server import get_app  # noqa: E402
import uvicorn  # noqa: E402

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(1024)
print(f"http=http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config(get_app(store), log_level="error")).run(sockets=[listener])
