import type { StageSpan } from "../api/types";
import { clock, span_ms, timestamp } from "../lib/format";
import { production_bars } from "../lib/registry";
import { StageBadge } from "../ui/domain";
import { Panel, Scroll, useNow } from "../ui/kit";
import { useWidth } from "../ui/ribbon";

const kRow = 26;
const kMarks = ["--mark-blue", "--mark-green", "--mark-pink", "--mark-orange", "--mark-sky"];

/** A Gantt of production: one row a version, so that bounces and rollbacks are seen at a glance. */
export function StageTimeline({ history }: { history: readonly StageSpan[] }) {
  const now = useNow();
  const [ref, width] = useWidth<HTMLDivElement>();
  const bars = production_bars(history, now);
  const versions = [...new Set(bars.map((b) => b.version))].sort((a, b) => b - a);
  const left = 40;
  const inner = Math.max(40, width - left - 8);
  const first = bars[0]?.span.from_ms ?? now;
  const height = versions.length * kRow + 22;
  const holder = bars.find((b) => b.open);
  return (
    <div ref={ref}>
      {width > 0 && (
        <svg
          width={width}
          height={height}
          role="img"
          aria-label={`Production over time: ${bars.map((b) => `v${b.version} from ${timestamp(b.span.from_ms)}`).join("; ")}`}
          className="block"
        >
          {versions.map((version, row) => (
            <g key={version}>
              <text
                x="0"
                y={row * kRow + 16}
                className="fill-ink-2 text-xs"
                fontWeight={holder?.version === version ? 600 : 400}
              >
                v{version}
              </text>
              <line
                x1={left}
                x2={left + inner}
                y1={row * kRow + 12}
                y2={row * kRow + 12}
                stroke="var(--grid)"
              />
            </g>
          ))}
          {bars.map((bar) => {
            const row = versions.indexOf(bar.version);
            const x = left + bar.x0 * inner;
            const wide = Math.max(4, (bar.x1 - bar.x0) * inner);
            const label = span_ms((bar.span.to_ms ?? now) - bar.span.from_ms);
            return (
              <g key={`${bar.version}-${bar.span.from_ms}`}>
                <rect
                  x={x}
                  y={row * kRow + 4}
                  width={wide}
                  height="16"
                  rx="4"
                  fill={`var(${kMarks[(bar.version - 1) % kMarks.length]})`}
                  opacity={bar.open ? 0.95 : 0.55}
                >
                  <title>{`v${bar.version}: ${timestamp(bar.span.from_ms)} to ${bar.span.to_ms ? timestamp(bar.span.to_ms) : "now"}, by ${bar.span.actor}`}</title>
                </rect>
                {wide > 64 && (
                  <text
                    x={x + wide / 2}
                    y={row * kRow + 16}
                    textAnchor="middle"
                    className="text-2xs"
                    fill="#08131d"
                  >
                    {bar.open ? "in production" : label}
                  </text>
                )}
              </g>
            );
          })}
          <text x={left} y={height - 4} className="fill-ink-3 text-2xs">
            {clock(first)}
          </text>
          <text x={left + inner} y={height - 4} textAnchor="end" className="fill-ink-3 text-2xs">
            now
          </text>
        </svg>
      )}
    </div>
  );
}

export function HistoryTable({ history }: { history: readonly StageSpan[] }) {
  const now = useNow();
  const rows = [...history].sort((a, b) => b.from_ms - a.from_ms);
  return (
    <Panel title="History" flush>
      <Scroll label="History">
        <table className="grid-table">
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col">Held for</th>
              <th scope="col">Version</th>
              <th scope="col">Stage</th>
              <th scope="col">By</th>
              <th scope="col">Reason</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((span) => (
              <tr key={`${span.version}${span.stage}${span.from_ms}`}>
                <td className="whitespace-nowrap text-ink-2">{timestamp(span.from_ms)}</td>
                <td className="whitespace-nowrap text-ink-2">
                  {span.to_ms
                    ? span_ms(span.to_ms - span.from_ms)
                    : `${span_ms(Math.max(0, now - span.from_ms))} so far`}
                </td>
                <td>v{span.version}</td>
                <td>
                  <StageBadge stage={span.stage} />
                </td>
                <td>{span.actor}</td>
                <td className="text-ink-2">{span.reason || "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}
