// What needs somebody, then how each deployment is doing, then what just happened.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import {
  alerts_query,
  datasets_query,
  deployments_query,
  drift_query,
  ledger_query,
  models_query,
  status_query,
} from "../api/queries";
import { inbox_query } from "../api/releases";
import type { Deployment } from "../api/types";
import { useProject } from "../app/project";
import { collapse } from "../lib/collapse";
import { by_feature, judged } from "../lib/drift";
import { bytes, decimal, duration_us, integer, percent, plural, span_ms } from "../lib/format";
import { arm_key } from "../lib/traffic";
import { alert_sentence, DeploymentLink, ModelLink, StateBadge } from "../ui/domain";
import { Icon, type IconName } from "../ui/icons";
import { Ago, Empty, Failure, PageHead, Panel, Stat, Stats, Waiting } from "../ui/kit";
import { Subject, Verb } from "../ui/ledger_row";
import { Spark } from "../ui/spark";
import { ArmsBar, totals } from "./deployments";

const kRecentEvents = 60;
const kRecentLines = 12;

interface Todo {
  key: string;
  icon: IconName;
  tone: string;
  text: ReactNode;
  at_ms: number;
}

function useTodos(project: string): { todos: Todo[]; pending: boolean } {
  const alerts = useQuery(alerts_query(project));
  const deployments = useQuery(deployments_query(project));
  const waiting = useQuery(inbox_query(project, "waiting", undefined, undefined));
  const todos: Todo[] = [];
  for (const alert of alerts.data ?? []) {
    if (alert.resolved_us) continue;
    todos.push({
      key: `alert-${alert.id}`,
      icon: "warn",
      tone: "text-bad",
      at_ms: alert.fired_us / 1_000,
      text: (
        <>
          <DeploymentLink name={alert.deployment} />: {alert_sentence(alert)}
        </>
      ),
    });
  }
  for (const d of deployments.data ?? []) {
    if (d.state === "FAILED") {
      todos.push({
        key: `failed-${d.name}`,
        icon: "cross",
        tone: "text-bad",
        at_ms: d.updated_ms,
        text: (
          <>
            <DeploymentLink name={d.name} /> failed: {d.error}
          </>
        ),
      });
    }
    const arm = d.arms.find((a) => a.role === "canary");
    if (d.canary?.state === "running" && arm) {
      todos.push({
        key: `canary-${d.name}`,
        icon: "clock",
        tone: "text-warn",
        at_ms: d.canary.started_ms,
        text: (
          <>
            <DeploymentLink name={d.name} />: v{arm.version} is a canary with {percent(arm.weight)}{" "}
            of the traffic
          </>
        ),
      });
    }
  }
  for (const request of waiting.data?.items ?? []) {
    todos.push({
      key: `approve-${request.uid}`,
      icon: "shield",
      tone: "text-accent",
      at_ms: request.created_ms,
      text: (
        <>
          {request.requester} asks that <ModelLink name={request.model} version={request.version} />{" "}
          enter {request.to}: your approval counts
        </>
      ),
    });
  }
  todos.sort((a, b) => b.at_ms - a.at_ms);
  return { todos, pending: alerts.isPending || deployments.isPending || waiting.isPending };
}

function Inbox() {
  const project = useProject();
  const { todos, pending } = useTodos(project);
  return (
    <Panel title="Needs you" note={todos.length > 0 && `${todos.length} open`} flush>
      {pending ? (
        <Waiting rows={3} />
      ) : todos.length === 0 ? (
        <div className="flex items-center gap-2 px-4 py-4 text-ink-2 text-sm">
          <Icon name="check" className="text-good" /> Nothing: no alert fires, no canary runs, no
          version waits.
        </div>
      ) : (
        <ul className="divide-y divide-line">
          {todos.map((todo) => (
            <li
              key={todo.key}
              className="flex items-start gap-2.5 px-4 py-2.5 text-sm"
              data-testid="todo"
            >
              <Icon name={todo.icon} className={`mt-0.5 ${todo.tone}`} />
              <span className="min-w-0 flex-1">{todo.text}</span>
              <span className="text-ink-3 text-xs leading-5">
                <Ago ms={todo.at_ms} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function DeploymentCard({ deployment }: { deployment: Deployment }) {
  const project = useProject();
  const drift = useQuery(drift_query(project, deployment.name));
  const windows = judged(drift.data?.items ?? []);
  const series = by_feature(windows, "psi");
  // The feature nearest to its alarm now is the one worth a line.
  const worst = [...series].sort(
    (a, b) => (b.latest ?? 0) / (b.threshold || 1) - (a.latest ?? 0) / (a.threshold || 1),
  )[0];
  const sum = totals(deployment);
  return (
    <article className="panel flex flex-col gap-3 p-4">
      <header className="flex items-center gap-2">
        <h3 className="truncate font-semibold text-sm">
          <DeploymentLink name={deployment.name} />
        </h3>
        <StateBadge deployment={deployment} />
        <span className="ml-auto truncate text-ink-3 text-xs">{deployment.model}</span>
      </header>
      <div>
        <ArmsBar deployment={deployment} />
        <div className="mt-1.5 flex flex-wrap justify-between gap-x-3 text-ink-2 text-xs">
          {deployment.arms.map((a) => (
            <span key={arm_key(a)}>
              {a.role} v{a.version} · {percent(a.weight)}
            </span>
          ))}
        </div>
      </div>
      <dl className="grid grid-cols-3 gap-2">
        <div>
          <dt className="label">Requests</dt>
          <dd className="font-semibold text-base" data-testid={`requests-${deployment.name}`}>
            {integer(sum.requests)}
          </dd>
        </div>
        <div>
          <dt className="label">Errors</dt>
          <dd className={`font-semibold text-base ${sum.errors > 0 ? "text-bad" : ""}`}>
            {integer(sum.errors)}
          </dd>
        </div>
        <div>
          <dt className="label">p99</dt>
          <dd className="font-semibold text-base">{duration_us(sum.p99)}</dd>
        </div>
      </dl>
      <div className="flex min-h-8 items-end justify-between gap-3 border-line border-t pt-3">
        {worst ? (
          <>
            <div className="min-w-0">
              <div className="label truncate">Drift, {worst.name}</div>
              <div className={`font-medium text-sm ${worst.alarms.at(-1) ? "text-bad" : ""}`}>
                PSI {decimal(worst.latest)}
                {worst.alarms.at(-1) && " · in alarm"}
              </div>
            </div>
            <Spark
              values={worst.values}
              threshold={worst.threshold}
              label={`PSI of ${worst.name} over ${plural(worst.values.length, "window")}, latest ${decimal(worst.latest)}`}
            />
          </>
        ) : (
          <span className="text-ink-3 text-xs">No drift windows yet</span>
        )}
      </div>
    </article>
  );
}

function Recent() {
  const project = useProject();
  const ledger = useQuery(ledger_query(project, {}, kRecentEvents));
  const items = ledger.data?.items ?? [];
  return (
    <Panel
      title="Recent"
      flush
      actions={
        <Link to="/p/$project/ledger" params={{ project }} className="link text-xs">
          Whole ledger
        </Link>
      }
    >
      {ledger.isPending && <Waiting rows={6} />}
      {ledger.data && items.length === 0 && <Empty title="Nothing has happened yet" />}
      <ol className="divide-y divide-line">
        {collapse(items)
          .slice(0, kRecentLines)
          .map(({ first: event, count }) => (
            <li
              key={event.seq}
              className="flex flex-wrap items-center gap-x-2 gap-y-1 px-4 py-2 text-sm"
            >
              <Verb event={event} />
              <span className="min-w-0 truncate">
                <Subject event={event} />
              </span>
              {count > 1 && <span className="text-ink-3 text-xs">× {integer(count)}</span>}
              <span className="ml-auto text-ink-3 text-xs">
                {event.actor} · <Ago ms={event.ts_us / 1_000} />
              </span>
            </li>
          ))}
      </ol>
    </Panel>
  );
}

export function Overview() {
  const project = useProject();
  const status = useQuery(status_query(project));
  const models = useQuery(models_query(project));
  const deployments = useQuery(deployments_query(project));
  const datasets = useQuery(datasets_query(project));
  const s = status.data;
  const served = (deployments.data ?? []).reduce((sum, d) => sum + totals(d).requests, 0);
  const versions = (models.data ?? []).reduce((sum, m) => sum + m.versions_count, 0);
  return (
    <>
      <PageHead
        title="Overview"
        sub={
          s && (
            <span className="flex flex-wrap gap-x-3 gap-y-0.5 text-xs">
              <span>Slipway {s.version}</span>
              <span>up {span_ms(s.uptime_ms)}</span>
              <span>{bytes(s.rss_bytes)} resident</span>
              <span>{s.db}</span>
              <span>{s.auth ? "authentication on" : "loopback, no credentials"}</span>
            </span>
          )
        }
      />
      {status.error && (
        <div className="mb-5">
          <Failure error={status.error} retry={() => void status.refetch()} />
        </div>
      )}
      <Stats>
        <Stat
          label="Models"
          value={integer(models.data?.length)}
          note={models.data && plural(versions, "version")}
          testid="count-models"
        />
        <Stat
          label="Deployments"
          value={integer(deployments.data?.length)}
          note={
            deployments.data &&
            `${deployments.data.filter((d) => d.state === "READY").length} ready`
          }
          testid="count-deployments"
        />
        <Stat
          label="Requests served"
          value={deployments.data ? integer(served) : "–"}
          testid="count-requests"
        />
        <Stat label="Datasets" value={integer(datasets.data?.length)} testid="count-datasets" />
        <Stat
          label="Models in memory"
          value={integer(s?.models_loaded)}
          note={s && bytes(s.rss_bytes)}
        />
      </Stats>
      <div className="grid grid-cols-1 gap-5 xl:grid-cols-[minmax(0,1fr)_27rem]">
        <div className="flex min-w-0 flex-col gap-5">
          <Inbox />
          <section>
            <h2 className="mb-3 font-semibold text-[0.8125rem]">Deployments</h2>
            {deployments.isPending && <Waiting rows={3} />}
            {deployments.data?.length === 0 && (
              <Panel>
                <Empty title="Nothing is served yet" />
              </Panel>
            )}
            <div className="grid grid-cols-1 gap-4 sm:grid-cols-2">
              {(deployments.data ?? []).map((d) => (
                <DeploymentCard key={d.name} deployment={d} />
              ))}
            </div>
          </section>
        </div>
        <Recent />
      </div>
    </>
  );
}
