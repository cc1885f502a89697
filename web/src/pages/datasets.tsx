import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api_url } from "../api/client";
import { datasets_query } from "../api/queries";
import type { DatasetSummary } from "../api/types";
import { useProject } from "../app/project";
import { bytes, integer, short_digest } from "../lib/format";
import { Ago, Badge } from "../ui/kit";
import { type Column, ListPage } from "../ui/list_page";

function columns(project: string): Column<DatasetSummary>[] {
  return [
    {
      head: "Dataset",
      look: "font-medium",
      cell: (d) => (
        <Link to="/p/$project/datasets/$name" params={{ project, name: d.name }} className="link">
          {d.name}
        </Link>
      ),
    },
    { head: "Latest", cell: (d) => `v${d.latest_version ?? d.version ?? "–"}` },
    { head: "Format", cell: (d) => (d.format ? <Badge>{d.format}</Badge> : "–") },
    { head: "Rows", num: true, testid: "rows", cell: (d) => integer(d.rows) },
    { head: "Size", num: true, cell: (d) => bytes(d.bytes) },
    { head: "Digest", look: "font-mono text-ink-2 text-xs", cell: (d) => short_digest(d.digest) },
    {
      head: "Committed",
      num: true,
      look: "text-ink-2",
      cell: (d) => (d.created_ms ? <Ago ms={d.created_ms} /> : "–"),
    },
  ];
}

export function Datasets() {
  const project = useProject();
  const url = new URL(api_url(project, "/datasets/orders/versions?format=parquet"), location.href);
  return (
    <ListPage
      kind="dataset"
      title="Datasets"
      sub="Immutable versions of what models learn from, addressed by content."
      query={useQuery(datasets_query(project))}
      columns={columns(project)}
      empty={{
        title: "No datasets yet",
        code: `curl -X POST --data-binary @orders.parquet \\\n  '${url}'`,
        text: "Commit a Parquet, CSV or JSONL file; the same bytes again give the same version.",
      }}
    />
  );
}
