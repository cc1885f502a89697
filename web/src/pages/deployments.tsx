import { useQuery } from "@tanstack/react-query";
import { api_url } from "../api/client";
import { deployments_query } from "../api/queries";
import type { Deployment } from "../api/types";
import { useProject } from "../app/project";
import { duration_us, integer, percent, words } from "../lib/format";
import { arm_key } from "../lib/traffic";
import { DeploymentLink, ModelLink, StateBadge } from "../ui/domain";
import { Ago, Badge } from "../ui/kit";
import { type Column, ListPage } from "../ui/list_page";
import { SplitBar } from "../ui/spark";

export const arm_mark = (role: string) => (role === "canary" ? "--mark-orange" : "--mark-blue");

export function ArmsBar({ deployment }: { deployment: Deployment }) {
  return (
    <SplitBar
      label={deployment.arms.map((a) => `${a.role} v${a.version} ${percent(a.weight)}`).join(", ")}
      parts={deployment.arms.map((a) => ({
        key: arm_key(a),
        share: a.weight,
        mark: arm_mark(a.role),
        hatched: a.role === "canary",
      }))}
    />
  );
}

export function totals(deployment: Deployment): {
  requests: number;
  errors: number;
  p99: number | null;
} {
  let requests = 0;
  let errors = 0;
  let p99: number | null = null;
  for (const arm of deployment.arms) {
    requests += arm.requests;
    errors += arm.errors;
    if (arm.latency_us.p99 != null) p99 = Math.max(p99 ?? 0, arm.latency_us.p99);
  }
  return { requests, errors, p99 };
}

const kCanary = {
  running: { tone: "warn", icon: "clock" },
  rolled_back: { tone: "bad", icon: "back" },
} as const;

function LastCanary({ deployment }: { deployment: Deployment }) {
  const state = deployment.canary?.state;
  if (!state) return <span className="text-ink-3">none</span>;
  const look =
    state === "running" || state === "rolled_back"
      ? kCanary[state]
      : ({ tone: "good", icon: "check" } as const);
  return <Badge {...look}>{words(state)}</Badge>;
}

const kColumns: Column<Deployment>[] = [
  { head: "Deployment", look: "font-medium", cell: (d) => <DeploymentLink name={d.name} /> },
  { head: "State", cell: (d) => <StateBadge deployment={d} /> },
  { head: "Model", cell: (d) => <ModelLink name={d.model} /> },
  {
    head: "Split",
    look: "min-w-48",
    cell: (d) => (
      <>
        <ArmsBar deployment={d} />
        <div className="mt-1 flex flex-wrap gap-x-3 text-ink-2 text-xs">
          {d.arms.map((a) => (
            <span key={arm_key(a)}>
              {a.role} v{a.version} {percent(a.weight)}
            </span>
          ))}
        </div>
      </>
    ),
  },
  { head: "Last canary", cell: (d) => <LastCanary deployment={d} /> },
  {
    head: "Requests",
    num: true,
    testid: "requests",
    cell: (d) => integer(totals(d).requests),
  },
  {
    head: "Errors",
    num: true,
    look: (d) => (totals(d).errors > 0 ? "text-bad" : ""),
    cell: (d) => integer(totals(d).errors),
  },
  { head: "p99", num: true, cell: (d) => duration_us(totals(d).p99) },
  { head: "Changed", num: true, look: "text-ink-2", cell: (d) => <Ago ms={d.updated_ms} /> },
];

export function Deployments() {
  const project = useProject();
  const url = new URL(api_url(project, "/deployments/fraud"), location.href);
  return (
    <ListPage
      kind="deployment"
      title="Deployments"
      sub="What answers requests now, how the traffic is split, and how it is going."
      query={useQuery(deployments_query(project))}
      columns={kColumns}
      empty={{
        title: "Nothing is served yet",
        code: `curl -X PUT ${url} \\\n  -H 'Content-Type: application/json' \\\n  -d '{"model": "fraud", "alias": "champion"}'`,
        text: "Put a deployment in front of a model; it follows the alias through promotions and rollbacks.",
      }}
    />
  );
}
