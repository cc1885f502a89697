// One run: what went in, what came out, and the code, environment and data that made it.
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { api_url } from "../api/client";
import {
  artifacts_query,
  curves_query,
  reproductions_query,
  run_models_query,
  run_query,
} from "../api/tracking_queries";
import type { RunDetail } from "../api/tracking_types";
import { useProject } from "../app/project";
import type { RunSearch } from "../app/tracking_routes";
import { marks_text } from "../lib/curves";
import { bytes, integer, plural, span_ms, timestamp } from "../lib/format";
import { figure, number_of } from "../lib/odd";
import { span_of, whole_span } from "../lib/zoom";
import { ModelLink } from "../ui/domain";
import {
  Ago,
  ApiLinks,
  Badge,
  Button,
  Copy,
  Facts,
  Failure,
  PageHead,
  Panel,
  Scroll,
  Segmented,
  Stat,
  Stats,
  Waiting,
} from "../ui/kit";
import { RunLink, RunStatusBadge } from "../ui/run_parts";
import { Spark } from "../ui/spark";
import { ZoomBar, ZoomCurve } from "../ui/zoom_curve";

const kChartsMax = 24; // A run may have a thousand metrics; the table names all of them.
const kChartPoints = 400;

function Pairs({ title, pairs }: { title: string; pairs: Record<string, string> }) {
  const rows = Object.entries(pairs);
  return (
    <Panel title={title} note={integer(rows.length)} flush>
      {rows.length === 0 ? (
        <p className="px-4 py-3 text-ink-3 text-sm">None were logged.</p>
      ) : (
        <Scroll label={title}>
          <table className="grid-table">
            <tbody>
              {rows.map(([key, value]) => (
                <tr key={key} data-testid={`pair-${key}`}>
                  <th scope="row" className="align-top font-mono">
                    {key}
                  </th>
                  <td className="break-all">
                    {value.length > 400 ? `${value.slice(0, 400)}…` : value}
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

function Metrics({ run }: { run: RunDetail }) {
  const project = useProject();
  const search = useSearch({ strict: false }) as RunSearch;
  const navigate = useNavigate();
  const x = search.x ?? "step";
  const keys = run.metrics.map((m) => m.key).slice(0, kChartsMax);
  const curves = useQuery(
    curves_query(
      project,
      { run_ids: [run.run_id], keys, x: x === "step" ? "step" : "time", points: kChartPoints },
      run.status === "RUNNING",
    ),
  );
  const set = (change: Partial<RunSearch>) =>
    void navigate({
      to: ".",
      search: ((old: RunSearch) => ({ ...old, ...change })) as never,
      replace: true,
    });
  const of = (key: string) => curves.data?.find((c) => c.key === key);
  const seen = span_of(search.zoom);
  const on_seen = (zoom: string | undefined) => set({ zoom });
  const drawn = (curves.data ?? []).filter((c) => c.points > 1);
  return (
    <>
      <Panel title="Metrics" note={integer(run.metrics.length)} flush>
        {run.metrics.length === 0 ? (
          <p className="px-4 py-3 text-ink-3 text-sm">None were logged.</p>
        ) : (
          <Scroll label="Metrics">
            <table className="grid-table">
              <thead>
                <tr>
                  <th scope="col">Metric</th>
                  <th scope="col" className="num">
                    Latest
                  </th>
                  <th scope="col" className="num">
                    Step
                  </th>
                  <th scope="col" className="num">
                    Points
                  </th>
                  <th scope="col">Not finite</th>
                  <th scope="col">Course</th>
                </tr>
              </thead>
              <tbody>
                {run.metrics.map((m) => {
                  const curve = of(m.key);
                  return (
                    <tr key={m.key} data-row data-testid={`metric-${m.key}`}>
                      <th scope="row" className="font-mono">
                        {m.key}
                      </th>
                      <td className="num font-medium" data-testid="latest">
                        {figure(number_of(m.value))}
                      </td>
                      <td className="num">{integer(m.step)}</td>
                      <td className="num" data-testid="points">
                        {curve ? integer(curve.points) : "–"}
                      </td>
                      <td data-testid="odd">{curve ? marks_text(curve.marks) || "none" : "–"}</td>
                      <td>
                        {curve && curve.points > 1 && (
                          <Spark
                            values={curve.last}
                            label={`${m.key} over ${curve.points} points`}
                          />
                        )}
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </Scroll>
        )}
      </Panel>
      {drawn.length > 0 && (
        <Panel
          title="Curves"
          note={run.metrics.length > kChartsMax ? `the first ${kChartsMax}` : undefined}
          actions={
            <>
              <ZoomBar
                seen={seen}
                whole={whole_span(drawn, x === "relative")}
                x={x}
                on_seen={on_seen}
              />
              <Segmented
                label="Horizontal axis"
                value={x}
                onChange={(next) => set({ x: next === "step" ? undefined : next, zoom: undefined })}
                options={[
                  { value: "step", label: "Step" },
                  { value: "time", label: "Time" },
                  { value: "relative", label: "Relative" },
                ]}
              />
              <label className="flex cursor-pointer items-center gap-1.5 text-ink-2 text-xs">
                <input
                  type="checkbox"
                  className="size-4 accent-(--accent)"
                  checked={search.logy === 1}
                  onChange={(event) => set({ logy: event.target.checked ? 1 : undefined })}
                />
                Log y
              </label>
            </>
          }
        >
          <div className={`grid gap-x-6 gap-y-5 ${drawn.length > 1 ? "lg:grid-cols-2" : ""}`}>
            {drawn.map((curve) => (
              <div key={curve.key} className="min-w-0">
                <h3 className="mb-1 font-mono text-ink-2 text-xs">{curve.key}</h3>
                <ZoomCurve
                  title={curve.key}
                  curves={[{ ...curve, name: curve.key, mark: 0 }]}
                  x={x}
                  log_x={false}
                  log_y={search.logy === 1}
                  weight={0}
                  band
                  height={170}
                  sync={`run-${run.run_id}-${x}`}
                  seen={seen}
                  on_seen={on_seen}
                  live={run.status === "RUNNING"}
                />
              </div>
            ))}
          </div>
        </Panel>
      )}
    </>
  );
}

function Artifacts({ run }: { run: RunDetail }) {
  const project = useProject();
  const { path = "" } = useSearch({ strict: false }) as RunSearch;
  const files = useQuery(artifacts_query(project, run.run_id, path));
  const up = path.split("/").slice(0, -1).join("/");
  const go = (to: string, children: ReactNode) => (
    <Link
      to="."
      search={((old: RunSearch) => ({ ...old, path: to || undefined })) as never}
      className="link"
    >
      {children}
    </Link>
  );
  return (
    <Panel title="Artifacts" note={path || undefined} flush>
      {files.error && <Failure error={files.error} />}
      {files.isPending && <Waiting rows={2} />}
      <ul className="py-1 text-sm">
        {path && <li className="px-4 py-1">{go(up, "… one level up")}</li>}
        {files.data?.map((f) => (
          <li key={f.path} className="flex gap-3 px-4 py-1" data-testid={`artifact-${f.path}`}>
            <span className="min-w-0 flex-1 truncate font-mono text-xs">
              {f.is_dir ? go(f.path, `${f.path.split("/").at(-1)}/`) : f.path.split("/").at(-1)}
            </span>
            {!f.is_dir && (
              <span className="text-ink-3 text-xs">{bytes(Number(f.file_size ?? 0))}</span>
            )}
          </li>
        ))}
        {files.data?.length === 0 && <li className="px-4 py-2 text-ink-3">None were logged.</li>}
      </ul>
    </Panel>
  );
}

function Origin({ run }: { run: RunDetail }) {
  const tag = (key: string) => run.tags[key];
  const commit = tag("mlflow.source.git.commit");
  const rows: [string, ReactNode][] = [];
  const add = (name: string, value: ReactNode | undefined) => {
    if (value) rows.push([name, value]);
  };
  add("Program", tag("mlflow.source.name"));
  add("Kind", tag("mlflow.source.type"));
  add("Entry point", tag("mlflow.project.entryPoint"));
  add(
    "Commit",
    commit && (
      <Copy text={commit} label="commit">
        {commit.slice(0, 12)}
      </Copy>
    ),
  );
  add("Branch", tag("mlflow.source.git.branch"));
  add("Repository", tag("mlflow.source.git.repoURL"));
  for (const [key, value] of Object.entries(run.tags)) {
    if (key.startsWith("slipway.") && value.length < 200) add(key.slice(8), value);
  }
  add(
    "Again",
    <Copy text={`slipway runs repro ${run.run_id}`} label="command">
      runs repro {run.run_id.slice(0, 8)}
    </Copy>,
  );
  return (
    <Panel title="Code and environment">
      <Facts rows={rows} />
    </Panel>
  );
}

function Lineage({ run }: { run: RunDetail }) {
  const project = useProject();
  const models = useQuery(run_models_query(project, run.run_id));
  const again = useQuery(reproductions_query(project, run.run_id));
  return (
    <>
      <Panel title="Data it read" note={integer(run.inputs.length)} flush>
        <ul className="py-1 text-sm">
          {run.inputs.map((i) => (
            <li
              key={`${i.name} ${i.digest}`}
              className="flex flex-wrap items-center gap-2 px-4 py-1"
            >
              <span className="font-medium">{i.name}</span>
              <span className="font-mono text-ink-3 text-xs">{i.digest}</span>
              {i.tags["mlflow.data.context"] && <Badge>{i.tags["mlflow.data.context"]}</Badge>}
            </li>
          ))}
          {run.inputs.length === 0 && <li className="px-4 py-2 text-ink-3">None was logged.</li>}
        </ul>
      </Panel>
      <Panel title="Model versions" note={integer(models.data?.length ?? 0)} flush>
        {models.error && <Failure error={models.error} />}
        <ul className="py-1 text-sm">
          {models.data?.map((m) => (
            <li key={`${m.name} ${m.version}`} className="px-4 py-1">
              <ModelLink name={m.name} version={Number(m.version)}>
                {m.name} v{m.version}
              </ModelLink>
            </li>
          ))}
          {models.data?.length === 0 && (
            <li className="px-4 py-2 text-ink-3">None was registered from it.</li>
          )}
        </ul>
      </Panel>
      <Panel title="Done again" note={integer(again.data?.length ?? 0)} flush>
        {again.error && <Failure error={again.error} />}
        <ul className="py-1 text-sm">
          {again.data?.map((r) => (
            <li key={r.uid} className="flex flex-wrap items-center gap-2 px-4 py-1">
              <RunLink id={r.again_run_id}>{r.again_run_id.slice(0, 8)}</RunLink>
              <Badge>{r.verdict}</Badge>
              <span className="text-ink-3 text-xs">
                <Ago ms={r.created_ms} />
              </span>
            </li>
          ))}
          {again.data?.length === 0 && <li className="px-4 py-2 text-ink-3">Not yet.</li>}
        </ul>
      </Panel>
    </>
  );
}

export function RunPage() {
  const project = useProject();
  const { id } = useParams({ strict: false }) as { id: string };
  const navigate = useNavigate();
  const query = useQuery(run_query(project, id));
  const run = query.data;
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (!run) return <Waiting rows={8} />;
  const took = (run.end_ms ?? Date.now()) - run.start_ms;
  const own = Object.fromEntries(
    Object.entries(run.tags).filter(([key]) => !key.startsWith("mlflow.source.")),
  );
  return (
    <>
      <PageHead
        eyebrow={
          <Link
            to="/p/$project/experiments/$id"
            params={{ project, id: run.experiment_id }}
            className="link"
          >
            Runs of experiment {run.experiment_id}
          </Link>
        }
        title={run.name || run.run_id}
        badges={
          <>
            <RunStatusBadge status={run.status} />
            {run.lifecycle === "deleted" && <Badge tone="bad">deleted</Badge>}
          </>
        }
        sub={
          <Copy text={run.run_id} label="run id">
            {run.run_id}
          </Copy>
        }
        actions={
          <>
            <ApiLinks url={api_url(project, `/runs/${run.run_id}`)} />
            <Button
              icon="chart"
              onClick={() =>
                void navigate({
                  to: "/p/$project/compare",
                  params: { project },
                  search: { runs: run.run_id },
                })
              }
            >
              Chart
            </Button>
          </>
        }
      />
      <Stats>
        <Stat label="Started" value={<Ago ms={run.start_ms} />} note={timestamp(run.start_ms)} />
        <Stat label={run.end_ms === null ? "Running for" : "Took"} value={span_ms(took)} />
        <Stat label="By" value={run.user_id || run.author} />
        <Stat
          label="Logged"
          value={plural(run.metrics.length, "metric")}
          note={plural(Object.keys(run.params).length, "param")}
        />
      </Stats>
      <div className="grid gap-5 xl:grid-cols-[minmax(0,1fr)_22rem]">
        <div className="flex min-w-0 flex-col gap-5">
          <Metrics run={run} />
          <Artifacts run={run} />
        </div>
        <div className="flex min-w-0 flex-col gap-5">
          <Pairs title="Parameters" pairs={run.params} />
          <Origin run={run} />
          <Lineage run={run} />
          <Pairs title="Tags" pairs={own} />
        </div>
      </div>
    </>
  );
}
