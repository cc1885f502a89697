import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { api_url, call } from "../api/client";
import { alerts_query, deployment_query } from "../api/queries";
import type { Alert, Deployment } from "../api/types";
import { follows } from "../lib/canary";
import { quantity, timestamp } from "../lib/format";
import { Confirm } from "../ui/dialog";
import { AlertState, alert_sentence, ModelLink, StateBadge } from "../ui/domain";
import {
  ApiLinks,
  Badge,
  Button,
  Copy,
  Empty,
  Failure,
  PageHead,
  Panel,
  Scroll,
  Waiting,
} from "../ui/kit";
import { toast } from "../ui/toast";
import { CanaryPanel } from "./deployment_canary";
import { DriftPanel } from "./deployment_drift";
import { PerformancePanel } from "./deployment_performance";
import { SplitPanel } from "./deployment_split";

type Action = "promote" | "rollback";

function ActionDialog({
  action,
  deployment,
  on_close,
}: {
  action: Action;
  deployment: Deployment;
  on_close: () => void;
}) {
  const { project } = useParams({ from: "/p/$project/deployments/$name" });
  const client = useQueryClient();
  const stable = deployment.arms.find((a) => a.role === "stable");
  const canary = deployment.arms.find((a) => a.role === "canary");
  const path = `/deployments/${encodeURIComponent(deployment.name)}`;
  const running = deployment.canary?.state === "running";
  const promoting = action === "promote";
  const run = async (reason: string) => {
    await call(project, promoting ? `${path}/canary/promote` : `${path}/rollback`, {
      method: "POST",
      body: promoting ? {} : { reason },
    });
    await client.invalidateQueries({ queryKey: [project] });
    toast(
      promoting ? `v${canary?.version} takes all traffic` : `${deployment.name} was rolled back`,
    );
  };
  return (
    <Confirm
      title={
        promoting ? `Promote the canary of ${deployment.name}?` : `Roll ${deployment.name} back?`
      }
      action={promoting ? `Promote v${canary?.version}` : "Roll back"}
      danger={!promoting}
      ask={promoting ? undefined : "Reason"}
      ask_required={!promoting}
      type_to_confirm={deployment.name}
      run={run}
      on_close={on_close}
    >
      {promoting ? (
        <p>
          All traffic goes to v{canary?.version}; v{stable?.version} stops answering.
        </p>
      ) : running ? (
        <p>
          The canary v{canary?.version} stops at once and v{stable?.version} takes all traffic.
        </p>
      ) : (
        <p>
          v{deployment.previous_version}, which served before v{stable?.version}, takes all traffic
          at once.
        </p>
      )}
    </Confirm>
  );
}

function Alerts({ alerts, uid }: { alerts: readonly Alert[]; uid: string | undefined }) {
  const { project } = useParams({ from: "/p/$project/deployments/$name" });
  const newest_first = [...alerts].sort((a, b) => b.fired_us - a.fired_us);
  return (
    <Panel title="Alerts" note={`${alerts.filter((a) => !a.resolved_us).length} firing`} flush>
      {alerts.length === 0 ? (
        <Empty title="No alert has fired" />
      ) : (
        <Scroll label="Alerts">
          <table className="grid-table">
            <thead>
              <tr>
                <th scope="col">State</th>
                <th scope="col">What</th>
                <th scope="col">Kind</th>
                <th scope="col" className="num">
                  Value
                </th>
                <th scope="col" className="num">
                  Threshold
                </th>
                <th scope="col" className="num">
                  Window
                </th>
                <th scope="col">Fired</th>
                <th scope="col">Evidence</th>
              </tr>
            </thead>
            <tbody>
              {newest_first.map((alert) => (
                <tr key={alert.id} data-testid="alert">
                  <td>
                    <AlertState alert={alert} />
                  </td>
                  <td>{alert_sentence(alert)}</td>
                  <td>
                    <Badge>{alert.kind}</Badge>
                  </td>
                  <td className="num">{quantity(alert.value)}</td>
                  <td className="num">{quantity(alert.threshold)}</td>
                  <td className="num">{alert.window ?? "–"}</td>
                  <td className="whitespace-nowrap text-ink-2">
                    {timestamp(alert.fired_us / 1_000)}
                  </td>
                  <td>
                    <Link
                      to="/p/$project/ledger"
                      params={{ project }}
                      search={
                        alert.event_seq ? { seq: alert.event_seq } : { verb: "alert.fired", uid }
                      }
                      className="link"
                    >
                      {alert.event_seq ? `event ${alert.event_seq}` : "events"}
                    </Link>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}

export function DeploymentPage() {
  const { project, name } = useParams({ from: "/p/$project/deployments/$name" });
  const deployment = useQuery(deployment_query(project, name));
  const alerts = useQuery(alerts_query(project, name));
  const [action, set_action] = useState<Action | null>(null);
  if (deployment.error && !deployment.data) {
    return <Failure error={deployment.error} retry={() => void deployment.refetch()} />;
  }
  if (!deployment.data) return <Waiting rows={8} />;
  const data = deployment.data;
  const running = data.canary?.state === "running";
  return (
    <>
      <PageHead
        eyebrow={
          <Link to="/p/$project/deployments" params={{ project }} className="hover:text-ink">
            Deployments
          </Link>
        }
        title={name}
        badges={
          <>
            <StateBadge deployment={data} />
            {running && (
              <Badge tone="warn" icon="clock">
                canary running
              </Badge>
            )}
            <Copy text={`deployment:${name}`} label="reference">
              deployment:{name}
            </Copy>
            <ApiLinks url={api_url(project, `/deployments/${encodeURIComponent(name)}`)} />
          </>
        }
        sub={
          <>
            Serves <ModelLink name={data.model} />
            {follows(data.target) ? <> and follows {follows(data.target)}</> : null}
          </>
        }
        actions={
          <>
            {running && (
              <Button look="primary" icon="up" onClick={() => set_action("promote")}>
                Promote canary
              </Button>
            )}
            {(running || data.previous_version !== undefined) && (
              <Button look="danger" icon="back" onClick={() => set_action("rollback")}>
                {running ? "Abort canary" : `Roll back to v${data.previous_version}`}
              </Button>
            )}
          </>
        }
      />
      {data.error && <Failure error={new Error(data.error)} />}
      <div className="flex flex-col gap-5">
        <div className="grid grid-cols-1 gap-5 xl:grid-cols-[minmax(0,1fr)_25rem]">
          <SplitPanel deployment={data} at_ms={deployment.dataUpdatedAt} />
          <CanaryPanel deployment={data} />
        </div>
        <DriftPanel name={name} />
        <PerformancePanel name={name} />
        <Alerts alerts={alerts.data ?? []} uid={data.uid} />
      </div>
      {action && (
        <ActionDialog action={action} deployment={data} on_close={() => set_action(null)} />
      )}
    </>
  );
}
