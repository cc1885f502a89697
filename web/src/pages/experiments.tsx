import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api_url } from "../api/client";
import { experiments_query } from "../api/tracking_queries";
import type { Experiment } from "../api/tracking_types";
import { useProject } from "../app/project";
import { integer } from "../lib/format";
import { Ago, Badge } from "../ui/kit";
import { type Column, ListPage } from "../ui/list_page";

function columns(project: string): Column<Experiment>[] {
  return [
    {
      head: "Experiment",
      look: "font-medium",
      cell: (e) => (
        <Link
          to="/p/$project/experiments/$id"
          params={{ project, id: e.experiment_id }}
          className="link"
        >
          {e.name}
        </Link>
      ),
    },
    { head: "Id", look: "font-mono text-ink-2 text-xs", cell: (e) => e.experiment_id },
    { head: "Runs", num: true, testid: "runs", cell: (e) => integer(e.runs) },
    {
      head: "Running",
      num: true,
      cell: (e) => (e.running > 0 ? <Badge tone="info">{integer(e.running)} running</Badge> : "–"),
    },
    {
      head: "Last run",
      num: true,
      look: "text-ink-2",
      cell: (e) => (e.last_start_ms === null ? "–" : <Ago ms={e.last_start_ms} />),
    },
    { head: "Created", num: true, look: "text-ink-2", cell: (e) => <Ago ms={e.created_ms} /> },
  ];
}

export function Experiments() {
  const project = useProject();
  const origin = new URL(api_url(project, "").replace(/\/api\/.*$/, "/"), location.href).href;
  return (
    <ListPage
      kind="experiment"
      title="Experiments"
      sub="What was tried, with which parameters, on what data, and what came out."
      query={useQuery(experiments_query(project))}
      columns={columns(project)}
      empty={{
        title: "No experiments yet",
        code: `export MLFLOW_TRACKING_URI=${origin.replace(/\/$/, "")}\npython -c "import mlflow; mlflow.log_metric('loss', 0.5)"`,
        text: "Log a run with the mlflow client you already have.",
      }}
    />
  );
}
