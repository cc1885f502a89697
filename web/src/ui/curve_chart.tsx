// Curves of one metric: a line per run, the faint line before smoothing, the band between the lowest
// and the highest of each stretch. An image with a sentence; the table below says the same in text.
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { colour, useDark } from "../app/theme";
import { align, type DrawOptions, extent, marks_text, type ThinCurve } from "../lib/curves";
import { integer, span_ms, timestamp } from "../lib/format";
import { figure } from "../lib/odd";
import { type Span, time_label } from "../lib/zoom";
import { mark_of } from "./run_parts";

export interface NamedCurve extends ThinCurve {
  name: string;
  mark: number; // Which colour and dash: mark_of.
}

export interface CurveChartProps {
  title: string;
  curves: NamedCurve[];
  x: "step" | "time" | "relative";
  log_x: boolean;
  log_y: boolean;
  weight: number;
  band: boolean;
  height?: number;
  sync?: string;
  seen?: Span | null; // Of the axis, as it is labelled; null: all of it.
  drawn?: NamedCurve[]; // Instead of `curves`, of which all else speaks.
  on_zoom?: (from: number, to: number) => void; // A stretch was drawn across the chart, …
  on_whole?: () => void; // … or a double click asks for all of it.
}

const kFont = '11px system-ui, -apple-system, "Segoe UI", sans-serif';
const kHeight = 220;
const kDragMin_px = 4; // Less was a click.

function draw_options(props: CurveChartProps): DrawOptions {
  const starts = props.curves.map((c) => c.x_min ?? c.x_first[0] ?? 0);
  return {
    weight: props.weight,
    log_x: props.log_x,
    log_y: props.log_y,
    x_of: (x, i) => (props.x === "relative" ? x - (starts[i] ?? 0) : x),
  };
}

function x_text(x: number, kind: CurveChartProps["x"]): string {
  if (kind === "step") return figure(x);
  return kind === "time" ? timestamp(x) : Math.abs(x) < 1_000 ? `${Math.round(x)} ms` : span_ms(x);
}

/** uPlot's logarithmic scale wants powers of ten around what it shows. */
function log_range(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null || low <= 0) return [1, 10];
  const [a, b] = [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high))];
  return [a, b > a ? b : a * 10];
}

function straight_range(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const air = high > low ? (high - low) * 0.06 : Math.abs(high) * 0.1 || 0.5;
  return [low - air, high + air];
}

/** A wall-clock axis marks whole minutes and days; the others any round number. */
function axis_marks(props: CurveChartProps): uPlot.Axis["values"] {
  if (props.x === "time" && !props.log_x)
    return (_, splits, __, ___, step) => splits.map((s) => time_label(s, step));
  return (_, splits) => splits.map((s) => (s === null ? "" : x_text(s, props.x)));
}

function x_scale(props: CurveChartProps): uPlot.Scale {
  const seen = props.seen;
  const range = (low: number | null, high: number | null): [number, number] => {
    if (seen) return [props.log_x ? Math.max(seen[0], seen[1] / 1e6) : seen[0], seen[1]];
    if (props.log_x) return log_range(low, high);
    return low !== null && high !== null && low < high
      ? [low, high]
      : [(low ?? 0) - 1, (high ?? 0) + 1];
  };
  return {
    time: props.x === "time" && !props.log_x,
    distr: props.log_x ? 3 : 1,
    range: (_, low, high) => range(low, high),
  };
}

function options(props: CurveChartProps, width: number): uPlot.Options {
  const ink = colour("--ink-3");
  const grid = colour("--grid");
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const curve of props.curves) {
    const { mark, dash } = mark_of(curve.mark);
    const stroke = colour(mark);
    const faint = stroke.replace("rgb(", "rgba(").replace(")", ", 0.16)");
    const edge = { stroke: faint, width: 1, points: { show: false } };
    const at = series.length;
    series.push(edge, edge);
    if (props.band) bands.push({ series: [at + 1, at], fill: faint });
    series.push({
      stroke: props.weight > 0 ? stroke.replace("rgb(", "rgba(").replace(")", ", 0.35)") : stroke,
      width: 1,
      points: { show: false },
    });
    series.push({
      label: curve.name,
      stroke,
      width: 1.75,
      dash,
      points: { show: curve.n.length < 2, size: 6 },
    });
  }
  const axis = { stroke: ink, font: kFont, ticks: { show: false } };
  return {
    width,
    height: props.height ?? kHeight,
    ms: 1,
    padding: [10, 12, 0, 0],
    legend: { show: false },
    cursor: {
      sync: props.sync ? { key: props.sync } : undefined,
      points: { show: false },
      drag: { x: props.on_zoom !== undefined, y: false, setScale: false },
      bind: {
        dblclick: () => () => {
          props.on_whole?.();
          return null;
        },
      },
    },
    scales: {
      x: x_scale(props),
      y: {
        distr: props.log_y ? 3 : 1,
        range: (_, low, high) => (props.log_y ? log_range : straight_range)(low, high),
      },
    },
    axes: [
      {
        ...axis,
        size: 26,
        gap: 4,
        space: 80,
        grid: { show: false },
        values: axis_marks(props),
      },
      {
        ...axis,
        size: 58,
        gap: 6,
        space: 30,
        grid: { stroke: grid, width: 1 },
        values: (_, splits) => splits.map((v) => (v === null ? "" : figure(v))),
      },
    ],
    series,
    bands,
  };
}

function sentence(props: CurveChartProps): string {
  const parts = props.curves.map((curve) => {
    const ends = extent(curve);
    const odd = marks_text(curve.marks);
    return `${curve.name} ${ends ? `from ${figure(ends[0])} to ${figure(ends[1])}` : "without a finite value"}, last ${figure(last_of(curve))}${odd ? `, ${odd}` : ""}`;
  });
  const seen = props.seen
    ? `, seen from ${x_text(props.seen[0], props.x)} to ${x_text(props.seen[1], props.x)}`
    : "";
  return `${props.title} by ${props.x}${seen}: ${parts.join("; ")}`;
}

export function last_of(curve: ThinCurve): number | null {
  return curve.last.findLast((v) => v !== null) ?? null;
}

export function CurveTable({ curves, title }: { curves: NamedCurve[]; title: string }) {
  return (
    <table className="grid-table">
      <caption className="sr-only">{title}, what its curves hold</caption>
      <thead>
        <tr>
          <th scope="col">Run</th>
          <th scope="col" className="num">
            Points
          </th>
          <th scope="col" className="num">
            Min
          </th>
          <th scope="col" className="num">
            Max
          </th>
          <th scope="col" className="num">
            Last finite
          </th>
          <th scope="col">Not finite</th>
        </tr>
      </thead>
      <tbody>
        {curves.map((curve) => {
          const ends = extent(curve);
          return (
            <tr key={curve.run_id} data-testid={`curve-${curve.key}-${curve.run_id}`}>
              <td>{curve.name}</td>
              <td className="num" data-testid="points">
                {integer(curve.points)}
              </td>
              <td className="num" data-testid="min">
                {figure(ends?.[0])}
              </td>
              <td className="num" data-testid="max">
                {figure(ends?.[1])}
              </td>
              <td className="num" data-testid="last">
                {figure(last_of(curve))}
              </td>
              <td data-testid="odd">{marks_text(curve.marks) || "none"}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

export function CurveChart(props: CurveChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const readout = useRef<HTMLDivElement>(null);
  const dark = useDark();
  const shape = JSON.stringify([dark, props]);
  const drawn = align(props.drawn ?? props.curves, draw_options(props));
  const tell = useRef(props); // What a chart that was drawn earlier calls is what holds now.
  tell.current = props;
  useEffect(() => {
    const node = box.current;
    if (!node) return;
    const data: (number | null | undefined)[][] = [drawn.x];
    props.curves.forEach((_, i) => {
      data.push(drawn.low[i] ?? [], drawn.high[i] ?? [], drawn.raw[i] ?? [], drawn.lines[i] ?? []);
    });
    const made = options(props, node.clientWidth || 300);
    let dragged = false; // Here: charts that share a cursor share what is selected too.
    made.hooks = {
      ready: [(u) => u.over.addEventListener("mousedown", () => (dragged = true))],
      setSelect: [
        (u) => {
          const { left, width } = u.select;
          if (!dragged || width < kDragMin_px) return;
          dragged = false;
          tell.current.on_zoom?.(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
        },
      ],
      setCursor: [
        (u) => {
          const at = u.cursor.idx;
          if (!readout.current) return;
          const x = at === null || at === undefined ? undefined : drawn.x[at];
          readout.current.textContent =
            x === undefined || at === null || at === undefined || (u.cursor.left ?? -1) < 0
              ? ""
              : `${x_text(x, props.x)} · ${props.curves
                  .slice(0, 4)
                  .map((c, i) => `${c.name} ${figure(drawn.lines[i]?.[at])}`)
                  .join(" · ")}`;
        },
      ],
    };
    const u = new uPlot(made, data as uPlot.AlignedData, node);
    const watch = new ResizeObserver(() => {
      if (node.clientWidth > 0 && node.clientWidth !== u.width)
        u.setSize({ width: node.clientWidth, height: u.height });
    });
    watch.observe(node);
    return () => {
      watch.disconnect();
      u.destroy();
    };
  }, [shape]);
  return (
    <figure className="relative min-w-0">
      <div
        ref={box}
        role="img"
        aria-label={sentence(props)}
        style={{ height: props.height ?? kHeight }}
      />
      <div
        ref={readout}
        aria-hidden="true"
        className="absolute top-0 right-2 max-w-full truncate rounded bg-panel/85 px-1 text-2xs text-ink-2"
      />
      {drawn.left_out > 0 && (
        <figcaption className="text-warn text-xs">
          {integer(drawn.left_out)} stretches are at or below 0 and have no place on a logarithmic
          axis.
        </figcaption>
      )}
    </figure>
  );
}
