import { useQuery } from "@tanstack/react-query";
import { curves_query } from "../api/tracking_queries";
import { useProject } from "../app/project";
import { joined, listed } from "../lib/compare";
import { span_of, whole_span } from "../lib/zoom";
import { Check, type CompareProps, PickMany } from "../ui/compare_parts";
import { CurveTable } from "../ui/curve_chart";
import { Empty, Failure, Panel, Scroll, Segmented, Waiting } from "../ui/kit";
import { ZoomBar, ZoomCurve } from "../ui/zoom_curve";

const kPointsMax = 600;
const kPointsMin = 60;
const kPointsTogether = 9_000; // Of all runs in one chart: on a shared axis every x costs every run.
const kCurvesMax = 200; // What the server reads at once.
const kKeysAtFirst = 4;

export function CompareCurves({ runs, mark, search, set }: CompareProps) {
  const project = useProject();
  const all = [...new Set(runs.flatMap((r) => r.metrics.map((m) => m.key)))].sort();
  // Metrics with a course come first: a single value at step 0 is better read in the table.
  const courses = all.filter((key) =>
    runs.some((r) => r.metrics.some((m) => m.key === key && m.step > 0)),
  );
  const named = listed(search.keys).filter((key) => all.includes(key));
  const room = Math.max(1, Math.floor(kCurvesMax / Math.max(1, runs.length)));
  const keys = (
    named.length > 0 ? named : (courses.length > 0 ? courses : all).slice(0, kKeysAtFirst)
  ).slice(0, room);
  const x = search.x ?? "step";
  const weight = search.smooth ?? 0;
  const points = Math.floor(kPointsTogether / Math.max(1, runs.length));
  const live = runs.some((r) => r.status === "RUNNING");
  const query = useQuery(
    curves_query(
      project,
      {
        run_ids: runs.map((r) => r.run_id),
        keys,
        x: x === "step" ? "step" : "time",
        points: Math.min(kPointsMax, Math.max(kPointsMin, points)),
      },
      live,
    ),
  );
  const names = new Map(runs.map((r) => [r.run_id, r.name || r.run_id.slice(0, 8)]));
  const seen = span_of(search.zoom);
  const on_seen = (zoom: string | undefined) => set({ zoom });
  const of = (key: string) =>
    (query.data ?? [])
      .filter((c) => c.key === key && c.points > 0 && names.has(c.run_id))
      .map((c) => ({ ...c, name: names.get(c.run_id) ?? "", mark: mark(c.run_id) }));
  return (
    <>
      <div className="panel mb-4 flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2">
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
        <Check
          label="Log x"
          checked={search.logx === 1}
          on_change={(on) => set({ logx: on ? 1 : undefined })}
        />
        <Check
          label="Log y"
          checked={search.logy === 1}
          on_change={(on) => set({ logy: on ? 1 : undefined })}
        />
        <Check
          label="Min–max band"
          checked={search.band !== 0}
          on_change={(on) => set({ band: on ? undefined : 0 })}
        />
        <label className="flex items-center gap-2 text-ink-2 text-xs">
          Smoothing
          <input
            type="range"
            min="0"
            max="0.99"
            step="0.01"
            value={weight}
            onChange={(event) => set({ smooth: Number(event.target.value) || undefined })}
            className="w-32 accent-(--accent)"
          />
          <span className="w-8 tabular-nums">{weight.toFixed(2)}</span>
        </label>
        <ZoomBar
          seen={seen}
          whole={whole_span(query.data ?? [], x === "relative")}
          x={x}
          on_seen={on_seen}
        />
        <div className="ml-auto">
          <PickMany
            label="Metrics"
            all={all}
            chosen={keys}
            on_change={(chosen) => set({ keys: joined(chosen) })}
          />
        </div>
      </div>
      {query.error && <Failure error={query.error} />}
      {query.isPending && <Waiting rows={6} />}
      {all.length === 0 && (
        <Panel>
          <Empty title="These runs logged no metric" />
        </Panel>
      )}
      <div className={`grid gap-4 ${keys.length > 1 ? "xl:grid-cols-2" : ""}`}>
        {query.data &&
          keys.map((key) => (
            <Panel key={key} title={<span className="font-mono">{key}</span>}>
              <ZoomCurve
                title={key}
                curves={of(key)}
                x={x}
                log_x={search.logx === 1}
                log_y={search.logy === 1}
                weight={weight}
                band={search.band !== 0}
                sync={`compare-${x}`}
                seen={seen}
                on_seen={on_seen}
                live={live}
              />
              <details className="mt-2 text-xs">
                <summary className="text-ink-2">Numbers</summary>
                <Scroll label={`${key}, numbers`}>
                  <CurveTable title={key} curves={of(key)} />
                </Scroll>
              </details>
            </Panel>
          ))}
      </div>
    </>
  );
}
