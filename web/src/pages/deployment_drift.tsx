import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { drift_query } from "../api/queries";
import type { DriftWindow } from "../api/types";
import {
  by_feature,
  type FeatureSeries,
  judged,
  type Measure,
  version_changes,
  window_names,
} from "../lib/drift";
import { clock, decimal, integer, plural, timestamp } from "../lib/format";
import { Icon } from "../ui/icons";
import { Badge, Empty, Failure, Panel, Scroll, Segmented, Waiting } from "../ui/kit";
import { LineChart } from "../ui/line_chart";
import { useWidth } from "../ui/ribbon";

const kMeasureName: Record<Measure, string> = { psi: "PSI", js: "Jensen–Shannon" };
const kCell = 22;

/** Features × windows: where to look. Depth is the share of the threshold; alarms carry a triangle. */
function HeatStrip({
  series,
  windows,
  measure,
}: {
  series: FeatureSeries[];
  windows: DriftWindow[];
  measure: Measure;
}) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const step = width / Math.max(1, windows.length);
  const side = Math.min(6, step * 0.35);
  return (
    <div
      className="grid grid-cols-[minmax(5.5rem,auto)_minmax(0,1fr)] items-center gap-x-3 gap-y-1"
      aria-hidden="true"
    >
      {series.map((s, row) => (
        <div key={s.name} className="contents">
          <div className="truncate text-right text-ink-2 text-xs">{s.name}</div>
          <div ref={row === 0 ? ref : undefined} style={{ height: kCell }}>
            <svg width={width} height={kCell} className="block" aria-hidden="true">
              {s.values.map((value, i) => {
                const window = windows[i] as DriftWindow;
                const limit = s.thresholds[i] ?? s.threshold ?? 0.2;
                const share = value === null ? 0 : Math.min(1, value / (limit * 1.5));
                const x = i * step;
                return (
                  <g key={window.window}>
                    <rect
                      x={x}
                      width={Math.max(1, step - Math.min(2, step * 0.1))}
                      height={kCell}
                      rx={Math.min(3, step * 0.2)}
                      fill={
                        value === null
                          ? "var(--sunken)"
                          : s.alarms[i]
                            ? "var(--mark-red)"
                            : "var(--mark-blue)"
                      }
                      fillOpacity={value === null ? 1 : 0.08 + 0.82 * share}
                    >
                      <title>{`${s.name}, window ${window.window}, ${clock(window.start_us / 1_000)}: ${kMeasureName[measure]} ${decimal(value)}`}</title>
                    </rect>
                    {s.alarms[i] && side > 1.5 && (
                      <path
                        d={`M${x + step / 2 - 1},${kCell / 2 - side} l${side},${side * 1.8} h${-2 * side}z`}
                        fill="var(--panel)"
                      />
                    )}
                  </g>
                );
              })}
            </svg>
          </div>
        </div>
      ))}
    </div>
  );
}

/** Every window as a row: what the charts draw, to read and to copy. */
function WindowsTable({
  series,
  windows,
  measure,
}: {
  series: FeatureSeries[];
  windows: DriftWindow[];
  measure: Measure;
}) {
  return (
    <Scroll label="Drift windows">
      <table className="grid-table" data-testid="drift-table">
        <caption className="sr-only">{kMeasureName[measure]} by window and feature</caption>
        <thead>
          <tr>
            <th scope="col" className="num">
              Window
            </th>
            <th scope="col">Start</th>
            <th scope="col" className="num">
              Rows
            </th>
            <th scope="col">Answered by</th>
            {series.map((s) => (
              <th key={s.name} scope="col" className="num">
                {s.name}
              </th>
            ))}
            <th scope="col" className="num">
              Confidence
            </th>
          </tr>
        </thead>
        <tbody>
          {windows.map((w, i) => (
            <tr key={w.window} data-row>
              <td className="num">{w.window}</td>
              <td className="whitespace-nowrap text-ink-2">{timestamp(w.start_us / 1_000)}</td>
              <td className="num">{integer(w.n)}</td>
              <td className="text-ink-2">{w.model_versions.map((v) => `v${v}`).join(", ")}</td>
              {series.map((s) => (
                <td key={s.name} className={`num ${s.alarms[i] ? "font-semibold text-bad" : ""}`}>
                  {s.alarms[i] && (
                    <>
                      <Icon name="warn" size={12} className="mr-1 inline" />
                      <span className="sr-only">alarm </span>
                    </>
                  )}
                  <span data-testid={`cell-${s.name}`}>{decimal(s.values[i])}</span>
                </td>
              ))}
              <td className="num">{decimal(w.confidence_mean)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

export function DriftPanel({ name }: { name: string }) {
  const { project } = useParams({ from: "/p/$project/deployments/$name" });
  const search = useSearch({ from: "/p/$project/deployments/$name" });
  const navigate = useNavigate({ from: "/p/$project/deployments/$name" });
  const drift = useQuery(drift_query(project, name));
  const measure = search.measure ?? "psi";
  const axis = search.axis ?? "window";
  const view = search.view ?? "chart";
  const set = (changes: Partial<typeof search>) =>
    void navigate({ search: (old) => ({ ...old, ...changes }), replace: true, resetScroll: false });

  const windows = judged(drift.data?.items ?? []);
  const series = by_feature(windows, measure);
  const x_ms = windows.map((w) => w.start_us / 1_000);
  const names = window_names(windows);
  const rules = version_changes(windows);
  const alarms = windows.filter((w) => w.alarm).length;
  const rows = windows.reduce((sum, w) => sum + w.n, 0);
  return (
    <Panel
      title="Drift per feature"
      note={
        windows.length > 0 && `${plural(windows.length, "window")}, ${plural(rows, "prediction")}`
      }
      actions={
        <>
          {alarms > 0 && (
            <Badge tone="bad" icon="warn" data-testid="drift-alarms">
              {plural(alarms, "window")} in alarm
            </Badge>
          )}
          <Segmented
            label="Measure"
            value={measure}
            onChange={(value) => set({ measure: value })}
            options={[
              { value: "psi", label: "PSI" },
              { value: "js", label: "JS" },
            ]}
          />
          <Segmented
            label="Horizontal axis"
            value={axis}
            onChange={(value) => set({ axis: value })}
            options={[
              { value: "window", label: "Windows" },
              { value: "time", label: "Time" },
            ]}
          />
          <Segmented
            label="Show drift as"
            value={view}
            onChange={(value) => set({ view: value })}
            options={[
              { value: "chart", label: "Charts", icon: "chart" },
              { value: "table", label: "Tables", icon: "table" },
            ]}
          />
        </>
      }
    >
      {drift.error && <Failure error={drift.error} retry={() => void drift.refetch()} />}
      {drift.isPending && <Waiting rows={5} />}
      {drift.data && windows.length === 0 && (
        <Empty title="No window is complete">
          Drift appears once a monitor is set and a window's worth of predictions was logged.
        </Empty>
      )}
      {windows.length > 0 && view === "table" && (
        <div className="-m-4">
          <WindowsTable series={series} windows={windows} measure={measure} />
        </div>
      )}
      {windows.length > 0 && view === "chart" && (
        <>
          <div className="mb-5">
            <HeatStrip series={series} windows={windows} measure={measure} />
          </div>
          <div className="grid grid-cols-1 gap-x-6 gap-y-5 md:grid-cols-2 2xl:grid-cols-3">
            {series.map((s) => (
              <div key={s.name} className="min-w-0" data-testid={`drift-${s.name}`}>
                <div className="mb-1 flex items-baseline gap-2">
                  <h3 className="font-medium text-sm">{s.name}</h3>
                  <span
                    className={`font-semibold text-sm ${s.alarms.at(-1) ? "text-bad" : ""}`}
                    data-testid="latest"
                    data-value={s.latest ?? ""}
                  >
                    {decimal(s.latest)}
                  </span>
                  {s.alarms.at(-1) && <span className="text-bad text-xs">in alarm</span>}
                </div>
                <LineChart
                  title={`${kMeasureName[measure]} of ${s.name}`}
                  x_ms={x_ms}
                  axis={axis}
                  view={view}
                  sync={`drift-${name}`}
                  lines={[
                    {
                      label: kMeasureName[measure],
                      values: s.values,
                      mark: "--mark-blue",
                      rings: s.alarms,
                    },
                  ]}
                  thresholds={s.thresholds}
                  names={names}
                  rules={rules}
                  write={(v) => decimal(v)}
                />
              </div>
            ))}
            <div className="min-w-0" data-testid="confidence">
              <div className="mb-1 flex items-baseline gap-2">
                <h3 className="font-medium text-sm">Mean confidence</h3>
                <span className="font-semibold text-sm" data-testid="latest">
                  {decimal(windows.at(-1)?.confidence_mean)}
                </span>
              </div>
              <LineChart
                title="Mean confidence"
                x_ms={x_ms}
                axis={axis}
                view={view}
                sync={`drift-${name}`}
                range={[0, 1]}
                names={names}
                lines={[
                  {
                    label: "Confidence",
                    values: windows.map((w) => w.confidence_mean),
                    mark: "--mark-green",
                  },
                ]}
                rules={rules}
                write={(v) => decimal(v, 2)}
              />
            </div>
          </div>
        </>
      )}
    </Panel>
  );
}
