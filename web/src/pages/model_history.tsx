// What held and was in force when: stages, aliases and policies, now and as of any moment.
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { kTimelineMax, type Policy, type TimelineSpan, timeline_query } from "../api/releases";
import { useProject } from "../app/project";
import { integer, plural, span_ms, timestamp } from "../lib/format";
import { type Bar, from_picker, type Lane, lay_out, to_picker } from "../lib/timeline";
import { Badge, Button, Empty, Failure, Panel, Scroll, useNow, Waiting } from "../ui/kit";
import { useWidth } from "../ui/ribbon";

const kRow = 20;
const kGap = 6;
const kLeft = 150;
const kNarrow = 170; // The first time is said without year and seconds.
const kPolicyMark = "--mark-grey";
const kMarks = ["--mark-blue", "--mark-green", "--mark-pink", "--mark-orange", "--mark-sky"];

function policy_words(policy: Policy): string {
  const asks = [
    plural(policy.approvals, "approval"),
    policy.gate && "gate",
    policy.rollback_plan && "rollback plan",
    policy.review && "review",
  ].filter(Boolean);
  return `${asks.join(", ")}${policy.is_default ? " (default)" : ""}`;
}

const what = (span: TimelineSpan) =>
  span.policy ? policy_words(span.policy) : `v${span.version ?? ""}`;

const since = (span: TimelineSpan) =>
  `${span.from_known ? "" : "not before "}${timestamp(span.from_ms)}`;

function BarShape({
  bar,
  left,
  inner,
  top,
}: {
  bar: Bar;
  left: number;
  inner: number;
  top: number;
}) {
  const { span } = bar;
  const wide = Math.max(3, (bar.x1 - bar.x0) * inner);
  const x = left + Math.min(bar.x0 * inner, inner - 3);
  const mark = span.policy ? kPolicyMark : kMarks[((span.version ?? 1) - 1) % kMarks.length];
  const until = span.to_ms === undefined ? "now" : timestamp(span.to_ms);
  return (
    <g>
      <rect
        x={x}
        y={top}
        width={wide}
        height={kRow - 4}
        rx="3"
        fill={`var(${mark})`}
        opacity={bar.open ? 0.95 : 0.55}
        strokeDasharray={span.from_known ? undefined : "3 2"}
        stroke={span.from_known ? undefined : "var(--ink-2)"}
      >
        <title>{`${span.target}: ${what(span)}, ${since(span)} to ${until}${span.actor ? `, by ${span.actor}` : ""}`}</title>
      </rect>
      {wide > 30 && !span.policy && (
        <text
          x={x + wide / 2}
          y={top + 12}
          textAnchor="middle"
          className="pointer-events-none text-2xs"
          fill="#08131d"
        >
          v{span.version}
        </text>
      )}
    </g>
  );
}

/** One lane a stage, alias and policy, so that bounces, rollbacks and new rules are seen at once. */
function Lanes({ spans, at }: { spans: readonly TimelineSpan[]; at: number | undefined }) {
  const now = useNow();
  const [ref, width] = useWidth<HTMLDivElement>();
  const drawn = lay_out(spans, now);
  const inner = Math.max(40, width - kLeft - 8);
  const tops: [Lane, number][] = [];
  let height = 0;
  for (const lane of drawn.lanes) {
    tops.push([lane, height]);
    height += lane.rows * kRow + kGap;
  }
  const range = Math.max(1, drawn.to_ms - drawn.from_ms);
  const line = at === undefined ? undefined : (at - drawn.from_ms) / range;
  const named = drawn.lanes
    .map(
      (l) => `${l.label}: ${l.bars.map((b) => `${what(b.span)} from ${since(b.span)}`).join("; ")}`,
    )
    .join(". ");
  return (
    <div ref={ref} data-testid="lanes">
      {width > 0 && (
        <svg
          width={width}
          height={height + 18}
          role="img"
          aria-label={`Who held what over time. ${named}`}
          className="block"
        >
          {tops.map(([lane, top]) => (
            <g key={lane.key}>
              <text x="0" y={top + 13} className="fill-ink-2 text-xs">
                {lane.label.length > 22 ? `${lane.label.slice(0, 21)}…` : lane.label}
                <title>{lane.label}</title>
              </text>
              <line
                x1={kLeft}
                x2={kLeft + inner}
                y1={top + lane.rows * kRow + kGap / 2}
                y2={top + lane.rows * kRow + kGap / 2}
                stroke="var(--grid)"
              />
              {lane.bars.map((bar) => (
                <BarShape
                  key={bar.span.n}
                  bar={bar}
                  left={kLeft}
                  inner={inner}
                  top={top + bar.row * kRow}
                />
              ))}
            </g>
          ))}
          {line !== undefined && line >= 0 && line <= 1 && (
            <line
              x1={kLeft + line * inner}
              x2={kLeft + line * inner}
              y1={0}
              y2={height}
              stroke="var(--accent)"
              strokeWidth="1.5"
            />
          )}
          <text x={kLeft} y={height + 12} className="fill-ink-3 text-2xs">
            {inner < kNarrow ? timestamp(drawn.from_ms).slice(5, 16) : timestamp(drawn.from_ms)}
          </text>
          <text x={kLeft + inner} y={height + 12} textAnchor="end" className="fill-ink-3 text-2xs">
            now
          </text>
        </svg>
      )}
    </div>
  );
}

function SpanTable({ spans }: { spans: readonly TimelineSpan[] }) {
  const now = useNow();
  return (
    <Scroll label="Who held what">
      <table className="grid-table">
        <thead>
          <tr>
            <th scope="col">Target</th>
            <th scope="col">Held by</th>
            <th scope="col">From</th>
            <th scope="col">For</th>
            <th scope="col">By</th>
            <th scope="col">Reason</th>
          </tr>
        </thead>
        <tbody>
          {spans.map((span) => (
            <tr
              key={`${span.kind}${span.n}`}
              data-testid={`held-${span.kind === "policy" ? "policy-" : ""}${span.target}`}
            >
              <td className="whitespace-nowrap">
                {span.kind === "policy" ? (
                  <span className="flex items-center gap-1.5">
                    {span.target} <Badge>policy</Badge>
                  </span>
                ) : (
                  span.target
                )}
              </td>
              <td>{what(span)}</td>
              <td className="whitespace-nowrap text-ink-2">{since(span)}</td>
              <td className="whitespace-nowrap text-ink-2">
                {span.to_ms === undefined
                  ? `${span_ms(Math.max(0, now - span.from_ms))} so far`
                  : span_ms(span.to_ms - span.from_ms)}
              </td>
              <td>{span.actor ?? "–"}</td>
              <td className="text-ink-2">{span.reason || "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function AsOf({ at }: { at: number | undefined }) {
  const navigate = useNavigate({ from: "/p/$project/models/$name" });
  const show = (next: number | undefined) =>
    void navigate({ search: (old) => ({ ...old, at: next }), replace: true });
  return (
    <>
      <label className="flex items-center gap-2 text-xs">
        <span className="label">As of</span>
        <input
          type="datetime-local"
          step="1"
          className="h-8 rounded-lg border border-line-strong bg-panel px-2 text-xs"
          value={to_picker(at)}
          onChange={(event) => show(from_picker(event.target.value))}
        />
      </label>
      <Button look="quiet" disabled={at === undefined} onClick={() => show(undefined)}>
        All of it
      </Button>
    </>
  );
}

export function ModelTimeline({ name }: { name: string }) {
  const project = useProject();
  const { at } = useSearch({ from: "/p/$project/models/$name" });
  const whole = useQuery(timeline_query(project, name));
  const then = useQuery({ ...timeline_query(project, name, at), enabled: at !== undefined });
  const failed = whole.error ?? then.error;
  const shown = at === undefined ? whole.data : then.data;
  const spans = whole.data?.spans ?? [];
  return (
    <Panel
      title="Who held what"
      note={at === undefined ? "newest first" : `as of ${timestamp(at)}`}
      actions={<AsOf at={at} />}
      flush
    >
      {failed ? (
        <Failure error={failed} retry={() => void whole.refetch()} />
      ) : !whole.data || !shown ? (
        <Waiting rows={3} />
      ) : spans.length === 0 ? (
        <Empty title="No version has held a stage or an alias" />
      ) : (
        <>
          <div className="p-4">
            <Lanes spans={spans} at={at} />
          </div>
          {shown.spans.length === 0 ? (
            <Empty title="Nothing held anything then" />
          ) : (
            <SpanTable spans={shown.spans} />
          )}
          {shown.more && (
            <p className="px-4 py-2 text-ink-3 text-xs">
              The newest {integer(kTimelineMax)} are shown; slipway model history {name} prints all.
            </p>
          )}
        </>
      )}
    </Panel>
  );
}
