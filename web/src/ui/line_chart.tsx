// One uPlot chart: series over windows or time, a threshold, alarms as rings, version changes as
// dashed rules. The picture is an image with a sentence as its name; a table says the same in text.
import { useEffect, useId, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { colour, useDark } from "../app/theme";
import { clock, quantity, timestamp } from "../lib/format";

export interface Line {
  label: string;
  values: (number | null)[];
  mark: string; // Name of a colour property, "--mark-blue".
  dash?: number[];
  rings?: boolean[]; // Points to ring: alarms.
}

export interface LineChartProps {
  title: string;
  x_ms: number[];
  axis: "window" | "time";
  lines: Line[];
  names?: string[]; // Of the points, where their times don't tell them apart.
  thresholds?: (number | null)[];
  rules?: { at: number; label: string }[];
  range?: [number, number];
  height?: number;
  sync?: string;
  view: "chart" | "table";
  write: (value: number | null) => string;
}

const kFont = '11px system-ui, -apple-system, "Segoe UI", sans-serif';
const kHeight = 132;

/** Lets the line that matters be seen: from 0 (or the lowest value) to a little above everything. */
export function y_range(
  lines: readonly Line[],
  thresholds: readonly (number | null)[],
): [number, number] {
  const known = [...lines.flatMap((l) => l.values), ...thresholds].filter(
    (v): v is number => v !== null && Number.isFinite(v),
  );
  const top = Math.max(...known, 0);
  const bottom = Math.min(...known, 0);
  return [bottom, top === bottom ? bottom + 1 : top + (top - bottom) * 0.15];
}

/** Half a window of air on both sides; a single point stands in the middle. */
export function x_range(low: number, high: number, axis: "window" | "time"): [number, number] {
  const air = axis === "window" ? 0.5 : Math.max(1, (high - low) * 0.015);
  return [low - air, high + air];
}

/** A dashed step per window; its newest value is written at the left, where alarms are rare. */
function draw_thresholds(u: uPlot, props: LineChartProps, ink: string) {
  const limits = props.thresholds ?? [];
  const newest = limits.findLast((v) => v !== null);
  if (newest === undefined || newest === null) return;
  const { left, width } = u.bbox;
  const { ctx } = u;
  const x = (i: number) => u.valToPos(u.data[0][i] ?? 0, "x", true);
  const y = (v: number) => Math.round(u.valToPos(v, "y", true)) + 0.5;
  ctx.save();
  ctx.strokeStyle = ink;
  ctx.fillStyle = ink;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  let first: number | null = null;
  limits.forEach((limit, i) => {
    if (limit === null) return;
    const from = i === 0 ? left : (x(i - 1) + x(i)) / 2;
    const to = i === limits.length - 1 ? left + width : (x(i) + x(i + 1)) / 2;
    if (first === null || limits[i - 1] === null) ctx.moveTo(from, y(limit));
    else ctx.lineTo(from, y(limit));
    ctx.lineTo(to, y(limit));
    first ??= limit;
  });
  ctx.stroke();
  ctx.font = kFont.replace("11px", `${10 * devicePixelRatio}px`);
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  const label_y = y(first ?? newest) - 2 * devicePixelRatio;
  ctx.fillText(`threshold ${quantity(newest)}`, left + 4 * devicePixelRatio, label_y);
  ctx.restore();
}

function draw_rules(u: uPlot, props: LineChartProps, ink: string) {
  const { left, top, width, height } = u.bbox;
  const { ctx } = u;
  ctx.save();
  ctx.strokeStyle = ink;
  ctx.fillStyle = ink;
  ctx.lineWidth = devicePixelRatio;
  ctx.font = kFont.replace("11px", `${10 * devicePixelRatio}px`);
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  let free_from = left;
  for (const rule of props.rules ?? []) {
    const x_value = u.data[0][rule.at];
    if (x_value === undefined) continue;
    const x = Math.round(u.valToPos(x_value, "x", true)) + 0.5;
    if (x < left || x > left + width) continue;
    ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, top - 10 * devicePixelRatio);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    const wide = ctx.measureText(rule.label).width + 8 * devicePixelRatio;
    const fits = x + wide <= left + width;
    const at = fits ? x + 4 * devicePixelRatio : x - wide + 4 * devicePixelRatio;
    if (at < free_from) continue;
    ctx.fillText(rule.label, at, top - 11 * devicePixelRatio);
    free_from = at + wide;
  }
  ctx.restore();
}

function draw_rings(u: uPlot, props: LineChartProps, ink: string, paper: string) {
  const { ctx } = u;
  ctx.save();
  ctx.strokeStyle = ink;
  ctx.fillStyle = paper;
  ctx.lineWidth = 1.75 * devicePixelRatio;
  for (const line of props.lines) {
    line.rings?.forEach((ringed, i) => {
      const value = line.values[i];
      const at = u.data[0][i];
      if (!ringed || value === null || value === undefined || at === undefined) return;
      const x = u.valToPos(at, "x", true);
      const y = u.valToPos(value, "y", true);
      const r = 3.5 * devicePixelRatio;
      // A triangle, so that an alarm is a shape and not just a colour.
      ctx.beginPath();
      ctx.moveTo(x, y - r * 1.2);
      ctx.lineTo(x + r * 1.1, y + r * 0.8);
      ctx.lineTo(x - r * 1.1, y + r * 0.8);
      ctx.closePath();
      ctx.fill();
      ctx.stroke();
    });
  }
  ctx.restore();
}

function tick_labels(splits: number[], props: LineChartProps): string[] {
  const { axis, names, x_ms } = props;
  if (axis === "time") {
    const span = (x_ms.at(-1) ?? 0) - (x_ms[0] ?? 0);
    const digits = span < 10_000 ? 2 : 0;
    return splits.map((s) => clock(s * 1_000, digits));
  }
  return splits.map((s) => {
    const at = Number.isInteger(s) ? x_ms[s] : undefined;
    return at === undefined ? "" : (names?.[s] ?? clock(at));
  });
}

function options(props: LineChartProps, width: number): uPlot.Options {
  const ink = colour("--ink-3");
  const grid = colour("--grid");
  const bad = colour("--mark-red");
  const paper = colour("--panel");
  const range = props.range ?? y_range(props.lines, props.thresholds ?? []);
  return {
    width,
    height: props.height ?? kHeight,
    padding: [14, 10, 0, 0],
    legend: { show: false },
    cursor: {
      sync: props.sync ? { key: props.sync } : undefined,
      points: { size: 7 },
      drag: { x: false, y: false },
    },
    scales: {
      x: { time: false, range: (_, low, high) => x_range(low, high, props.axis) },
      y: { range: () => range },
    },
    axes: [
      {
        stroke: ink,
        font: kFont,
        size: 24,
        gap: 4,
        space: 72,
        incrs: props.axis === "window" ? [1, 2, 5, 10, 20, 50, 100, 200] : undefined,
        grid: { show: false },
        ticks: { show: false },
        values: (_, splits) => tick_labels(splits, props),
      },
      {
        stroke: ink,
        font: kFont,
        size: 42,
        gap: 6,
        space: 28,
        grid: { stroke: grid, width: 1 },
        ticks: { show: false },
        values: (_, splits) => splits.map((v) => quantity(Number(v.toPrecision(6)))),
      },
    ],
    series: [
      {},
      ...props.lines.map((line) => ({
        label: line.label,
        stroke: colour(line.mark),
        width: 1.75,
        dash: line.dash,
        spanGaps: false,
        points: { show: line.values.length < 40, size: 4, fill: paper },
      })),
    ],
    hooks: {
      draw: [
        (u) => draw_rules(u, props, ink),
        (u) => draw_thresholds(u, props, bad),
        (u) => draw_rings(u, props, bad, paper),
      ],
    },
  };
}

function data_of(props: LineChartProps): uPlot.AlignedData {
  const x = props.x_ms.map((ms, i) => (props.axis === "time" ? ms / 1_000 : i));
  return [x, ...props.lines.map((l) => l.values)] as uPlot.AlignedData;
}

function sentence(props: LineChartProps): string {
  const parts = props.lines.map((line) => {
    const latest = [...line.values].reverse().find((v) => v !== null) ?? null;
    const alarms = line.rings?.filter(Boolean).length ?? 0;
    return `${line.label} latest ${props.write(latest)}${alarms ? `, ${alarms} alarms` : ""}`;
  });
  const newest = props.thresholds?.findLast((v) => v !== null) ?? null;
  const limit = newest === null ? "" : `; threshold ${props.write(newest)}`;
  return `${props.title}: ${props.x_ms.length} windows; ${parts.join("; ")}${limit}`;
}

function Readout({
  chart,
  props,
}: {
  chart: React.RefObject<uPlot | null>;
  props: LineChartProps;
}) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const u = chart.current;
    const node = ref.current;
    if (!u || !node) return;
    const show = () => {
      const i = u.cursor.idx;
      const at = i === null || i === undefined ? undefined : props.x_ms[i];
      if (i === null || i === undefined || at === undefined || (u.cursor.left ?? -1) < 0) {
        node.textContent = "";
        return;
      }
      const values = props.lines
        .map((l) => `${l.label} ${props.write(l.values[i] ?? null)}`)
        .join(" · ");
      node.textContent = `${clock(at)} · ${values}`;
    };
    u.hooks.setCursor ??= [];
    const hooks = u.hooks.setCursor;
    hooks.push(show);
    return () => {
      const index = hooks.indexOf(show);
      if (index >= 0) hooks.splice(index, 1);
    };
  });
  return (
    <div
      ref={ref}
      aria-hidden="true"
      className="absolute top-0 right-2 rounded bg-panel/85 px-1 text-2xs text-ink-2"
    />
  );
}

function DataTable({ props, hidden, id }: { props: LineChartProps; hidden: boolean; id: string }) {
  return (
    <div
      className={hidden ? "sr-only" : "relative max-h-64 overflow-auto"}
      {...(hidden ? {} : { tabIndex: 0, role: "region", "aria-label": `${props.title}, data` })}
    >
      <table id={id} className="grid-table">
        <caption className="sr-only">{props.title}</caption>
        <thead>
          <tr>
            <th scope="col">Window start</th>
            {props.lines.map((l) => (
              <th key={l.label} scope="col" className="num">
                {l.label}
              </th>
            ))}
            {props.lines.some((l) => l.rings) && <th scope="col">Alarm</th>}
          </tr>
        </thead>
        <tbody>
          {props.x_ms.map((ms, i) => (
            <tr key={i}>
              <td className="whitespace-nowrap">{timestamp(ms)}</td>
              {props.lines.map((l) => (
                <td key={l.label} className="num">
                  {props.write(l.values[i] ?? null)}
                </td>
              ))}
              {props.lines.some((l) => l.rings) && (
                <td>{props.lines.some((l) => l.rings?.[i]) ? "alarm" : "–"}</td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function LineChart(props: LineChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const id = useId();
  const dark = useDark();
  const { view, axis, height } = props;
  // What a new uPlot is needed for; values alone are set into the one that stands.
  const shape = JSON.stringify([
    dark,
    view,
    axis,
    height,
    props.lines.map((l) => [l.label, l.mark, l.values.length]),
    props.lines.map((l) => l.values),
    props.rules,
    props.thresholds,
    props.names,
    props.range,
  ]);
  useEffect(() => {
    const node = box.current;
    if (!node || view === "table") return;
    const u = new uPlot(options(props, node.clientWidth || 300), data_of(props), node);
    chart.current = u;
    const watch = new ResizeObserver(() => {
      if (node.clientWidth > 0 && node.clientWidth !== u.width) {
        u.setSize({ width: node.clientWidth, height: u.height });
      }
    });
    watch.observe(node);
    return () => {
      watch.disconnect();
      u.destroy();
      chart.current = null;
    };
  }, [shape]);
  return (
    <figure className="relative min-w-0">
      {view === "chart" && (
        <>
          <div
            ref={box}
            role="img"
            aria-label={sentence(props)}
            aria-describedby={id}
            style={{ height: height ?? kHeight }}
          />
          <Readout chart={chart} props={props} />
        </>
      )}
      <DataTable props={props} hidden={view === "chart"} id={id} />
    </figure>
  );
}
