"""Features for the console's pages: two views, a service that logs, rows that arrived and readings of them."""
import json
from datetime import datetime, timedelta, timezone

YAML = """
apiVersion: v3.1.0
kind: DataContract
id: payments
version: 1.0.0
status: active
schema:
  - name: payment
    properties:
      - {name: customer, logicalType: integer, required: true}
      - {name: amount, logicalType: number}
slaProperties:
  - {property: freshness, value: 1, unit: d}
---
kind: Source
name: payment
columns: {customer: int64, amount: float64, merchant: string}
event_time: ts
contract: payments#payment
---
kind: FeatureView
name: last_payment
description: The newest payment of a customer.
owner: risk@example.org
entity: {customer: int64}
source: payment
features: [amount, merchant]
ttl: 30d
---
kind: FeatureView
name: spend
entity: {customer: int64}
source: payment
aggregate:
  - {op: sum, of: amount, windows: [1h, 1d], as: spend}
  - {op: count, windows: [1d], as: payments}
---
kind: FeatureService
name: fraud
features: ["last_payment:*", "spend:*"]
log: {sample_by_key: 1}
"""


def seed(server):
    api = server.api()
    api.post("features:apply", {"yaml": YAML})
    now = datetime.now(timezone.utc)
    rows = [{"customer": i % 4, "amount": 10.0 + i, "merchant": "abc"[i % 3],
             "ts": (now - timedelta(minutes=40 - 2 * i)).isoformat()} for i in range(20)]
    api.post("feature-sources/payment/rows", {"rows": rows})
    body = {"entities": {"customer": [0, 1, 2, 3, 9]}, "feature_service": "fraud"}
    reply = api.send("POST", "/get-online-features", body).json()
    names = reply["metadata"]["feature_names"]
    served = {name: result["values"][1] for name, result in zip(names, reply["results"])}
    views = json.loads(server.cli("feature", "list", "--kind", "FeatureView", "--json"))["items"]
    return {"features": {"views": views, "customer": 1, "served": served, "before": (now - timedelta(hours=3)).isoformat()[:19]}}
