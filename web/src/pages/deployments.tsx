import { useQuery } from "@tanstack/react-query";
import { api_url } from "../api/client";
import { deployments_query } from "../api/queries";
import type { Deployment } from "../api/types";
import { useProject } from "../app/project";
import { duration_us, integer, percent, words } from "../lib/format";
import { arm_key } from "../lib/traffic";
import { DeploymentLink, ModelLink, StateBadge } from "../ui/domain";
import { Ago, Badge, Empty, Failure, PageHead, Panel, Scroll, Waiting } from "../ui/kit";
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

function Row({ deployment }: { deployment: Deployment }) {
  const sum = totals(deployment);
  return (
    <tr data-row data-testid={`deployment-${deployment.name}`}>
      <td className="font-medium">
        <DeploymentLink name={deployment.name} />
      </td>
      <td>
        <StateBadge deployment={deployment} />
      </td>
      <td>
        <ModelLink name={deployment.model} />
      </td>
      <td className="min-w-48">
        <ArmsBar deployment={deployment} />
        <div className="mt-1 flex flex-wrap gap-x-3 text-ink-2 text-xs">
          {deployment.arms.map((a) => (
            <span key={arm_key(a)}>
              {a.role} v{a.version} {percent(a.weight)}
            </span>
          ))}
        </div>
      </td>
      <td>
        {deployment.canary ? (
          <Badge
            tone={
              deployment.canary.state === "rolled_back"
                ? "bad"
                : deployment.canary.state === "running"
                  ? "warn"
                  : "good"
            }
            icon={
              deployment.canary.state === "rolled_back"
                ? "back"
                : deployment.canary.state === "running"
                  ? "clock"
                  : "check"
            }
          >
            {words(deployment.canary.state)}
          </Badge>
        ) : (
          <span className="text-ink-3">none</span>
        )}
      </td>
      <td className="num" data-testid="requests">
        {integer(sum.requests)}
      </td>
      <td className={`num ${sum.errors > 0 ? "text-bad" : ""}`}>{integer(sum.errors)}</td>
      <td className="num">{duration_us(sum.p99)}</td>
      <td className="num text-ink-2">
        <Ago ms={deployment.updated_ms} />
      </td>
    </tr>
  );
}

export function Deployments() {
  const project = useProject();
  const deployments = useQuery(deployments_query(project));
  return (
    <>
      <PageHead
        title="Deployments"
        sub="What answers requests now, how the traffic is split, and how it is going."
      />
      {deployments.error && (
        <Failure error={deployments.error} retry={() => void deployments.refetch()} />
      )}
      {deployments.isPending && (
        <Panel flush>
          <Waiting />
        </Panel>
      )}
      {deployments.data?.length === 0 && (
        <Panel>
          <Empty
            title="Nothing is served yet"
            code={`curl -X PUT ${new URL(api_url(project, "/deployments/fraud"), location.href)} \\\n  -H 'Content-Type: application/json' \\\n  -d '{"model": "fraud", "alias": "champion"}'`}
          >
            Put a deployment in front of a model; it follows the alias through promotions and
            rollbacks.
          </Empty>
        </Panel>
      )}
      {deployments.data && deployments.data.length > 0 && (
        <Panel flush>
          <Scroll label="Deployments">
            <table className="grid-table">
              <thead>
                <tr>
                  <th scope="col">Deployment</th>
                  <th scope="col">State</th>
                  <th scope="col">Model</th>
                  <th scope="col">Split</th>
                  <th scope="col">Last canary</th>
                  <th scope="col" className="num">
                    Requests
                  </th>
                  <th scope="col" className="num">
                    Errors
                  </th>
                  <th scope="col" className="num">
                    p99
                  </th>
                  <th scope="col" className="num">
                    Changed
                  </th>
                </tr>
              </thead>
              <tbody>
                {deployments.data.map((d) => (
                  <Row key={d.name} deployment={d} />
                ))}
              </tbody>
            </table>
          </Scroll>
        </Panel>
      )}
    </>
  );
}
