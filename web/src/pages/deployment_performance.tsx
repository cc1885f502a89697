import { useQuery } from "@tanstack/react-query";
import { useParams, useSearch } from "@tanstack/react-router";
import { performance_query } from "../api/queries";
import type { Performance } from "../api/types";
import { window_names } from "../lib/drift";
import { decimal, integer, plural } from "../lib/format";
import { Empty, Failure, Panel, Waiting } from "../ui/kit";
import { type Line, LineChart } from "../ui/line_chart";

const kMarks = ["--mark-blue", "--mark-orange", "--mark-pink", "--mark-sky"];
const kDashes: (number[] | undefined)[] = [
  [6, 3],
  [2, 3],
  [8, 3, 2, 3],
  [4, 4],
];

/** All answers as one solid line; each version as a dashed one, when more than one answered. */
function lines_of(performance: Performance): Line[] {
  const { items } = performance;
  const versions = [...new Set(items.flatMap((w) => Object.keys(w.by_version)))].sort(
    (a, b) => Number(a) - Number(b),
  );
  const all: Line = { label: "All", values: items.map((w) => w.accuracy), mark: "--mark-green" };
  if (versions.length < 2) return [all];
  return [
    all,
    ...versions.map((version, i) => ({
      label: `v${version}`,
      values: items.map((w) => w.by_version[version]?.accuracy ?? null),
      mark: kMarks[i % kMarks.length] as string,
      dash: kDashes[i % kDashes.length],
    })),
  ];
}

function Overall({ performance }: { performance: Performance }) {
  const overall = performance.overall;
  if (!overall) return null;
  const rows = Object.entries(overall.by_version ?? {}).sort(([a], [b]) => Number(a) - Number(b));
  return (
    <table className="grid-table self-start">
      <caption className="sr-only">Accuracy over everything labelled</caption>
      <thead>
        <tr>
          <th scope="col">Answered by</th>
          <th scope="col" className="num">
            Labelled
          </th>
          <th scope="col" className="num">
            Accuracy
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([version, score]) => (
          <tr key={version} data-testid={`accuracy-v${version}`}>
            <td>v{version}</td>
            <td className="num" data-testid="n">
              {integer(score.n)}
            </td>
            <td
              className="num font-medium"
              data-testid="accuracy"
              data-value={score.accuracy ?? ""}
            >
              {decimal(score.accuracy)}
            </td>
          </tr>
        ))}
        <tr data-testid="accuracy-overall">
          <td className="font-medium">All</td>
          <td className="num" data-testid="n">
            {integer(overall.n_labeled ?? overall.n)}
          </td>
          <td
            className="num font-semibold"
            data-testid="accuracy"
            data-value={overall.accuracy ?? ""}
          >
            {decimal(overall.accuracy)}
          </td>
        </tr>
      </tbody>
    </table>
  );
}

function Legend({ lines }: { lines: Line[] }) {
  return (
    <div className="mb-1 flex flex-wrap gap-x-4 text-ink-2 text-xs">
      {lines.map((line) => (
        <span key={line.label} className="inline-flex items-center gap-1.5">
          <svg width="22" height="6" aria-hidden="true">
            <line
              x1="1"
              x2="21"
              y1="3"
              y2="3"
              stroke={`var(${line.mark})`}
              strokeWidth="2"
              strokeDasharray={line.dash?.join(" ")}
            />
          </svg>
          {line.label}
        </span>
      ))}
    </div>
  );
}

export function PerformancePanel({ name }: { name: string }) {
  const { project } = useParams({ from: "/p/$project/deployments/$name" });
  const { axis = "window", view = "chart" } = useSearch({ from: "/p/$project/deployments/$name" });
  const performance = useQuery(performance_query(project, name));
  const items = performance.data?.items ?? [];
  const lines = performance.data ? lines_of(performance.data) : [];
  const labelled = items.reduce((sum, w) => sum + w.n_labeled, 0);
  return (
    <Panel
      title="Accuracy over time"
      note={labelled > 0 && `${plural(labelled, "label")} joined; by the time of the predictions`}
    >
      {performance.error && (
        <Failure error={performance.error} retry={() => void performance.refetch()} />
      )}
      {performance.isPending && <Waiting rows={4} />}
      {performance.data && items.length === 0 && (
        <Empty title="No labels have joined">
          Post what turned out to be true, by prediction id or your own reference; accuracy follows.
        </Empty>
      )}
      {performance.data && items.length > 0 && (
        <div className="grid grid-cols-1 gap-x-6 gap-y-4 lg:grid-cols-[minmax(0,1fr)_18rem]">
          <div className="min-w-0">
            <Legend lines={lines} />
            <LineChart
              title="Accuracy"
              x_ms={items.map((w) => w.start_us / 1_000)}
              axis={axis}
              view={view}
              height={190}
              range={[0, 1]}
              names={window_names(items)}
              lines={lines}
              write={(v) => decimal(v, 2)}
            />
          </div>
          <Overall performance={performance.data} />
        </div>
      )}
    </Panel>
  );
}
