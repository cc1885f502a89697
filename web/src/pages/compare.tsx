// Runs side by side. What is shown, and how, is in the address.
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { run_list_query } from "../api/tracking_queries";
import { useProject } from "../app/project";
import type { CompareSearch } from "../app/tracking_routes";
import { brushes_of, passes } from "../lib/brush";
import { value_at } from "../lib/compare";
import { plural } from "../lib/format";
import { Button, Empty, Failure, PageHead, Panel, Segmented, Waiting } from "../ui/kit";
import { RunLink, RunMark } from "../ui/run_parts";
import { CompareCurves } from "./compare_curves";
import { CompareParallel } from "./compare_parallel";
import { CompareScatter } from "./compare_scatter";
import { CompareTable } from "./compare_table";

const kRunsMax = 100;

export function Compare() {
  const project = useProject();
  const search = useSearch({ strict: false }) as CompareSearch;
  const navigate = useNavigate();
  const ids = [...new Set((search.runs ?? "").split(",").filter(Boolean))].slice(0, kRunsMax);
  const query = useQuery(run_list_query(project, ids));
  const set = (change: Partial<CompareSearch>) =>
    void navigate({
      to: ".",
      search: ((old: CompareSearch) => ({ ...old, ...change })) as never,
      replace: true,
    });
  const runs = query.data ?? [];
  const tab = search.tab ?? "curves";
  const brushes = brushes_of(search.brush);
  const inside = runs.filter((run) => passes(brushes, (axis) => value_at(run, axis)));
  const marks = new Map(runs.map((run, i) => [run.run_id, i]));
  const parts = { runs: inside, all: runs, mark: (id: string) => marks.get(id) ?? 0, search, set };
  if (ids.length === 0)
    return (
      <>
        <PageHead title="Compare runs" />
        <Panel>
          <Empty title="No runs are chosen">
            Select some in the table of{" "}
            <Link to="/p/$project/experiments" params={{ project }} className="link">
              an experiment
            </Link>
            .
          </Empty>
        </Panel>
      </>
    );
  return (
    <>
      <PageHead
        eyebrow={
          <Link to="/p/$project/experiments" params={{ project }} className="link">
            Experiments
          </Link>
        }
        title={`Compare ${plural(ids.length, "run")}`}
        actions={
          <Segmented
            label="View"
            value={tab}
            onChange={(next) => set({ tab: next === "curves" ? undefined : next })}
            options={[
              { value: "curves", label: "Curves" },
              { value: "parallel", label: "Parallel" },
              { value: "scatter", label: "Scatter" },
              { value: "table", label: "Table" },
            ]}
          />
        }
      />
      {query.error && <Failure error={query.error} retry={() => void query.refetch()} />}
      {query.isPending && <Waiting rows={8} />}
      {runs.length > 0 && (
        <>
          <ul className="mb-4 flex flex-wrap gap-x-4 gap-y-1 text-sm" aria-label="Runs compared">
            {runs.map((run, i) => (
              <li
                key={run.run_id}
                className={`flex items-center gap-1.5 ${inside.includes(run) ? "" : "line-through decoration-ink-3"}`}
              >
                <RunMark n={i} />
                <RunLink id={run.run_id}>{run.name || run.run_id.slice(0, 8)}</RunLink>
                <button
                  type="button"
                  aria-label={`Leave out ${run.name}`}
                  className="grid size-6 place-items-center rounded text-ink-3 hover:text-bad"
                  onClick={() => set({ runs: ids.filter((id) => id !== run.run_id).join(",") })}
                >
                  ×
                </button>
              </li>
            ))}
          </ul>
          {brushes.length > 0 && (
            <p
              className="mb-4 flex flex-wrap items-center gap-2 rounded-lg bg-accent-soft px-3 py-1.5 text-xs"
              role="status"
            >
              <span data-testid="brushed">
                {plural(inside.length, "run")} of {runs.length} inside{" "}
                {plural(brushes.length, "brush", "brushes")}
              </span>
              <Button look="quiet" onClick={() => set({ brush: undefined })}>
                Clear
              </Button>
              {inside.length > 0 && inside.length < runs.length && (
                <Button
                  look="quiet"
                  onClick={() =>
                    set({ runs: inside.map((run) => run.run_id).join(","), brush: undefined })
                  }
                >
                  Keep only these
                </Button>
              )}
            </p>
          )}
          {tab !== "parallel" && inside.length === 0 && (
            <Panel>
              <Empty title="No run is inside all brushes" />
            </Panel>
          )}
          {tab === "curves" && inside.length > 0 && <CompareCurves {...parts} />}
          {tab === "parallel" && <CompareParallel {...parts} />}
          {tab === "scatter" && inside.length > 0 && <CompareScatter {...parts} />}
          {tab === "table" && inside.length > 0 && <CompareTable {...parts} />}
        </>
      )}
    </>
  );
}
