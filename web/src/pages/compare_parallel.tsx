// A line per run through one axis per param or metric. What is no number on an axis breaks the line.
import { axis_ids, first_axes, joined, listed, value_at } from "../lib/compare";
import { position, range_of } from "../lib/curves";
import { figure } from "../lib/odd";
import { Check, type CompareProps, PickMany } from "../ui/compare_parts";
import { Empty, Panel, Scroll } from "../ui/kit";
import { mark_of } from "../ui/run_parts";

const kWide = 150; // Of an axis and the air beside it.
const kTop = 34;
const kHigh = 260;

export function CompareParallel({ runs, search, set }: CompareProps) {
  const all = axis_ids(runs);
  const named = listed(search.axes).filter((id) => all.includes(id));
  const ids = named.length > 0 ? named : first_axes(runs, 7);
  const logs = listed(search.log);
  const axes = ids.map((id) => {
    const log = logs.includes(id);
    const range = range_of(
      runs.map((r) => value_at(r, id)),
      log,
    );
    return { id, log, range };
  });
  const x = (i: number) => kWide / 2 + i * kWide;
  const y = (share: number) => kTop + (1 - share) * kHigh;
  const path = (run: (typeof runs)[number]) => {
    let down = false;
    return axes
      .map((axis, i) => {
        const at = axis.range && position(value_at(run, axis.id), axis.range, axis.log);
        if (at === null || at === undefined) {
          down = false;
          return "";
        }
        const piece = `${down ? "L" : "M"}${x(i)},${y(at).toFixed(1)}`;
        down = true;
        return piece;
      })
      .join("");
  };
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
      note="NaN, ∞ and what a run lacks break its line"
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
        <svg
          width={Math.max(axes.length * kWide, 300)}
          height={kTop + kHigh + 24}
          role="img"
          aria-label={`Parallel coordinates of ${runs.length} runs over ${ids.join(", ")}`}
          className="mx-auto block"
        >
          {axes.map((axis, i) => (
            <g key={axis.id}>
              <line x1={x(i)} x2={x(i)} y1={kTop} y2={kTop + kHigh} stroke="var(--line-strong)" />
              <text x={x(i)} y="14" textAnchor="middle" fontSize="11" fill="var(--ink-2)">
                {axis.id.length > 22 ? `…${axis.id.slice(-21)}` : axis.id}
              </text>
              <text x={x(i)} y={kTop - 6} textAnchor="middle" fontSize="10" fill="var(--ink-3)">
                {axis.range ? figure(axis.range[1]) : "–"}
              </text>
              <text
                x={x(i)}
                y={kTop + kHigh + 16}
                textAnchor="middle"
                fontSize="10"
                fill="var(--ink-3)"
              >
                {axis.range ? figure(axis.range[0]) : "–"}
              </text>
            </g>
          ))}
          {runs.map((run, n) => {
            const { mark, dash } = mark_of(n);
            return (
              <g key={run.run_id}>
                <path
                  d={path(run)}
                  fill="none"
                  stroke={`var(${mark})`}
                  strokeWidth="2"
                  strokeDasharray={dash?.join(" ")}
                >
                  <title>{run.name}</title>
                </path>
                {axes.map((axis, i) => {
                  const at = axis.range && position(value_at(run, axis.id), axis.range, axis.log);
                  if (at === null || at === undefined) return null;
                  return <circle key={axis.id} cx={x(i)} cy={y(at)} r="3" fill={`var(${mark})`} />;
                })}
              </g>
            );
          })}
        </svg>
      </Scroll>
      <fieldset className="mt-3 flex flex-wrap gap-x-4 gap-y-1">
        <legend className="sr-only">Logarithmic axes</legend>
        {axes.map((axis) => (
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
    </Panel>
  );
}
