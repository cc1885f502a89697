// A line per run through one axis per param or metric. What is no number on an axis breaks the line. A
// brush on an axis leaves the runs inside it, here and in the other views.
import { useState } from "react";
import type { RunDetail } from "../api/tracking_types";
import { type Axis, type Brush, brushes_of, brushes_text, passes, with_brush } from "../lib/brush";
import { axis_ids, first_axes, joined, listed, value_at } from "../lib/compare";
import { position, range_of } from "../lib/curves";
import { figure } from "../lib/odd";
import { AxisBrush } from "../ui/axis_brush";
import { Check, type CompareProps, PickMany } from "../ui/compare_parts";
import { Empty, Panel, Scroll } from "../ui/kit";
import { mark_of, RunLink, RunMark } from "../ui/run_parts";

const kWide = 150; // Of an axis and the air beside it.
const kTop = 46; // The axis' name, its greatest value, and room for a handle.
const kHigh = 260;
const kBelow = 40;

interface Column {
  id: string;
  log: boolean;
  range: readonly [number, number] | null; // Null: no run has a number here.
}

const x_of = (i: number) => kWide / 2 + i * kWide;
const y_of = (share: number) => kTop + (1 - share) * kHigh;

function path(run: RunDetail, columns: readonly Column[]): string {
  let down = false;
  return columns
    .map((axis, i) => {
      const at = axis.range && position(value_at(run, axis.id), axis.range, axis.log);
      if (at === null || at === undefined) {
        down = false;
        return "";
      }
      const piece = `${down ? "L" : "M"}${x_of(i)},${y_of(at).toFixed(1)}`;
      down = true;
      return piece;
    })
    .join("");
}

function RunPath({
  run,
  columns,
  n,
  faint,
}: {
  run: RunDetail;
  columns: Column[];
  n: number;
  faint: boolean;
}) {
  const { mark, dash } = mark_of(n);
  const stroke = faint ? "var(--line-strong)" : `var(${mark})`;
  return (
    <g opacity={faint ? 0.6 : 1}>
      <path
        d={path(run, columns)}
        fill="none"
        stroke={stroke}
        strokeWidth={faint ? 1 : 2}
        strokeDasharray={dash?.join(" ")}
      >
        <title>{run.name}</title>
      </path>
      {columns.map((axis, i) => {
        const at = axis.range && position(value_at(run, axis.id), axis.range, axis.log);
        if (at === null || at === undefined) return null;
        return (
          <circle key={axis.id} cx={x_of(i)} cy={y_of(at)} r={faint ? 1.5 : 3} fill={stroke} />
        );
      })}
    </g>
  );
}

function AxisLine({ axis, x }: { axis: Column; x: number }) {
  const label = (y: number, size: number, fill: string, text: string) => (
    <text x={x} y={y} textAnchor="middle" fontSize={size} fill={fill}>
      {text}
    </text>
  );
  return (
    <g>
      <line x1={x} x2={x} y1={kTop} y2={kTop + kHigh} stroke="var(--line-strong)" />
      {label(14, 11, "var(--ink-2)", axis.id.length > 22 ? `…${axis.id.slice(-21)}` : axis.id)}
      {label(kTop - 14, 10, "var(--ink-3)", axis.range ? figure(axis.range[1]) : "–")}
      {label(kTop + kHigh + 24, 10, "var(--ink-3)", axis.range ? figure(axis.range[0]) : "–")}
    </g>
  );
}

/** The runs inside, with their numbers on the axes. */
function Inside({
  runs,
  columns,
  mark,
}: {
  runs: RunDetail[];
  columns: Column[];
  mark: CompareProps["mark"];
}) {
  if (runs.length === 0) return <p className="mt-3 text-ink-3 text-sm">No run is inside.</p>;
  return (
    <Scroll label="Runs inside">
      <table className="grid-table mt-3">
        <caption className="sr-only">Runs inside all brushes</caption>
        <thead>
          <tr>
            <th scope="col">Run</th>
            {columns.map((axis) => (
              <th key={axis.id} scope="col" className="num">
                {axis.id}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.run_id} data-row data-testid={`inside-${run.run_id}`}>
              <th scope="row">
                <span className="flex items-center gap-2">
                  <RunMark n={mark(run.run_id)} />
                  <RunLink id={run.run_id}>{run.name || run.run_id.slice(0, 8)}</RunLink>
                </span>
              </th>
              {columns.map((axis) => (
                <td key={axis.id} className="num">
                  {figure(value_at(run, axis.id))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

export function CompareParallel({ all: runs, mark, search, set }: CompareProps) {
  const [draft, set_draft] = useState<{ id: string; brush: Brush | null } | null>(null);
  const all = axis_ids(runs);
  const named = listed(search.axes).filter((id) => all.includes(id));
  const ids = named.length > 0 ? named : first_axes(runs, 7);
  const logs = listed(search.log);
  const kept = brushes_of(search.brush);
  const brushes = draft ? with_brush(kept, draft.id, draft.brush) : kept;
  const columns = ids.map((id): Column => {
    const log = logs.includes(id);
    const values = runs.map((r) => value_at(r, id));
    return { id, log, range: range_of(values, log) };
  });
  const inside = runs.filter((run) => passes(brushes, (id) => value_at(run, id)));
  const wide = Math.max(columns.length * kWide, 300);
  if (all.length === 0)
    return (
      <Panel>
        <Empty title="Nothing here is a number">
          An axis needs a metric, or a param that is a number in every run.
        </Empty>
      </Panel>
    );
  return (
    <Panel
      title="Parallel coordinates"
      note="Draw along an axis, or move its ends, to leave only the runs inside. NaN, ∞ and what a run lacks break its line and lie in no brush."
      actions={
        <PickMany
          label="Axes"
          all={all}
          chosen={ids}
          on_change={(chosen) => set({ axes: joined(chosen) })}
        />
      }
    >
      <Scroll label="Parallel coordinates">
        <div className="relative mx-auto" style={{ width: wide, height: kTop + kHigh + kBelow }}>
          <svg
            width={wide}
            height={kTop + kHigh + kBelow}
            role="img"
            aria-label={`Parallel coordinates of ${runs.length} runs over ${ids.join(", ")}; ${inside.length} inside`}
            className="block"
          >
            {columns.map((axis, i) => (
              <AxisLine key={axis.id} axis={axis} x={x_of(i)} />
            ))}
            {[...runs.filter((r) => !inside.includes(r)), ...inside].map((run) => (
              <RunPath
                key={run.run_id}
                run={run}
                columns={columns}
                n={mark(run.run_id)}
                faint={!inside.includes(run)}
              />
            ))}
          </svg>
          {columns.map((column, i) => {
            const { range } = column;
            if (!range || range[0] === range[1]) return null;
            const axis: Axis = { ...column, range };
            return (
              <AxisBrush
                key={column.id}
                axis={axis}
                brush={brushes.find((b) => b.id === column.id)}
                left={x_of(i)}
                top={kTop}
                height={kHigh}
                on_draft={(brush) => set_draft({ id: column.id, brush })}
                on_cancel={() => set_draft(null)}
                on_brush={(brush) => {
                  set_draft(null);
                  set({ brush: brushes_text(with_brush(kept, column.id, brush)) });
                }}
              />
            );
          })}
        </div>
      </Scroll>
      <fieldset className="mt-3 flex flex-wrap gap-x-4 gap-y-1">
        <legend className="sr-only">Logarithmic axes</legend>
        {columns.map((axis) => (
          <Check
            key={axis.id}
            label={`log ${axis.id}`}
            checked={axis.log}
            on_change={(on) =>
              set({ log: joined(on ? [...logs, axis.id] : logs.filter((id) => id !== axis.id)) })
            }
          />
        ))}
      </fieldset>
      {brushes.length > 0 && <Inside runs={inside} columns={columns} mark={mark} />}
    </Panel>
  );
}
