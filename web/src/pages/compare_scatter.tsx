import { axis_ids, first_axes, value_at } from "../lib/compare";
import { position, range_of } from "../lib/curves";
import { plural } from "../lib/format";
import { figure } from "../lib/odd";
import { Check, type CompareProps, Pick } from "../ui/compare_parts";
import { Empty, Panel, Scroll } from "../ui/kit";
import { mark_of } from "../ui/run_parts";

const kWide = 720;
const kHigh = 340;
const kLeft = 70;
const kBelow = 44;
const kAir = 14;

export function CompareScatter({ runs, mark, search, set }: CompareProps) {
  const all = axis_ids(runs);
  const first = first_axes(runs, 20);
  const sx = search.sx && all.includes(search.sx) ? search.sx : (first[0] ?? "");
  const sy =
    search.sy && all.includes(search.sy)
      ? search.sy
      : (first.find((id) => id !== sx && id.startsWith("metrics.")) ?? first[1] ?? sx);
  const log_x = search.logx === 1;
  const log_y = search.logy === 1;
  const across = range_of(
    runs.map((r) => value_at(r, sx)),
    log_x,
  );
  const up = range_of(
    runs.map((r) => value_at(r, sy)),
    log_y,
  );
  const points = runs.flatMap((run) => {
    const x = across && position(value_at(run, sx), across, log_x);
    const y = up && position(value_at(run, sy), up, log_y);
    if (x === null || y === null || x === undefined || y === undefined) return [];
    return [
      {
        run,
        n: mark(run.run_id),
        x: kLeft + kAir + x * (kWide - kLeft - 2 * kAir),
        y: kAir + (1 - y) * (kHigh - kBelow - 2 * kAir),
      },
    ];
  });
  const missing = runs.length - points.length;
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
      title="Scatter"
      note={
        missing > 0
          ? `${plural(missing, "run")} without a place: NaN, ∞, missing, or not above 0`
          : undefined
      }
      actions={
        <>
          <Pick label="x" value={sx} options={all} on_change={(id) => set({ sx: id })} />
          <Check
            label="log"
            checked={log_x}
            on_change={(on) => set({ logx: on ? 1 : undefined })}
          />
          <Pick label="y" value={sy} options={all} on_change={(id) => set({ sy: id })} />
          <Check
            label="log"
            checked={log_y}
            on_change={(on) => set({ logy: on ? 1 : undefined })}
          />
        </>
      }
    >
      <Scroll label="Scatter">
        <svg
          width={kWide}
          height={kHigh}
          role="img"
          aria-label={`${sy} against ${sx}: ${points.map((p) => `${p.run.name} ${figure(value_at(p.run, sx))}, ${figure(value_at(p.run, sy))}`).join("; ")}`}
          className="mx-auto block"
        >
          <line x1={kLeft} x2={kLeft} y1="0" y2={kHigh - kBelow} stroke="var(--line-strong)" />
          <line
            x1={kLeft}
            x2={kWide}
            y1={kHigh - kBelow}
            y2={kHigh - kBelow}
            stroke="var(--line-strong)"
          />
          <g fontSize="10" fill="var(--ink-3)">
            <text x={kLeft - 6} y={kAir + 4} textAnchor="end">
              {figure(up?.[1])}
            </text>
            <text x={kLeft - 6} y={kHigh - kBelow - kAir + 4} textAnchor="end">
              {figure(up?.[0])}
            </text>
            <text x={kLeft + kAir} y={kHigh - kBelow + 16} textAnchor="middle">
              {figure(across?.[0])}
            </text>
            <text x={kWide - kAir} y={kHigh - kBelow + 16} textAnchor="end">
              {figure(across?.[1])}
            </text>
          </g>
          <g fontSize="11" fill="var(--ink-2)">
            <text x={kLeft + (kWide - kLeft) / 2} y={kHigh - 6} textAnchor="middle">
              {sx}
            </text>
            <text
              transform={`translate(14 ${(kHigh - kBelow) / 2}) rotate(-90)`}
              textAnchor="middle"
            >
              {sy}
            </text>
          </g>
          {points.map((p) => (
            <circle
              key={p.run.run_id}
              cx={p.x}
              cy={p.y}
              r="5.5"
              fill={`var(${mark_of(p.n).mark})`}
              stroke="var(--panel)"
              data-testid={`dot-${p.run.run_id}`}
            >
              <title>{`${p.run.name}: ${figure(value_at(p.run, sx))}, ${figure(value_at(p.run, sy))}`}</title>
            </circle>
          ))}
        </svg>
      </Scroll>
    </Panel>
  );
}
