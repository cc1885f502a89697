// The table of an experiment's runs. All of what it shows is in the address: a view is a link.
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { api_url } from "../api/client";
import { type Chosen, experiment_query, run_keys_query } from "../api/tracking_queries";
import { useProject } from "../app/project";
import type { RunsSearch } from "../app/tracking_routes";
import { joined, listed } from "../lib/compare";
import { integer, plural } from "../lib/format";
import {
  all_columns,
  column_of,
  default_columns,
  groupable,
  only_differing,
  type RunColumn,
} from "../lib/run_table";
import { FilterBox } from "../ui/filter_box";
import { ApiLinks, Button, Empty, Failure, PageHead, Panel, Segmented, Waiting } from "../ui/kit";
import { ColumnChooser, GroupChooser, kBucketsAtFirst } from "../ui/run_choosers";
import { RunGrid } from "../ui/run_grid";
import { Views } from "../ui/run_views";
import { use_run_lines } from "./run_lines_data";

const kAtOnceMax = 100; // Columns of a kind that the server reads.

export function ExperimentPage() {
  const project = useProject();
  const { id } = useParams({ strict: false }) as { id: string };
  const search = useSearch({ strict: false }) as RunsSearch;
  const navigate = useNavigate();
  const [choosing, set_choosing] = useState<"columns" | "group" | null>(null);
  const filter = search.filter ?? "";
  const order = search.order ?? "";
  const group = column_of(search.group ?? "");
  const nested = search.nest === 1 && !group;
  const asked = useMemo(
    () => ({
      experiment_ids: [id],
      filter,
      order_by: order ? [order] : [],
      nested: nested ? (true as const) : undefined,
    }),
    [id, filter, order, nested],
  );
  const experiment = useQuery(experiment_query(project, id));
  const keys = useQuery(run_keys_query(project, { ...asked, order_by: [], nested: undefined }));
  const named = (search.cols ?? "")
    .split(",")
    .map((c) => column_of(decodeURIComponent(c)))
    .filter((c) => c !== null);
  const wanted = named.length > 0 ? named : default_columns(keys.data);
  const columns = search.diff === 1 && keys.data ? only_differing(wanted, keys.data) : wanted;
  const of = (kind: RunColumn["kind"]) =>
    columns
      .filter((c) => c.kind === kind)
      .map((c) => c.key)
      .slice(0, kAtOnceMax);
  const chosen: Chosen = { metrics: of("metrics"), params: of("params"), tags: of("tags") };
  const open = listed(search.open);
  const buckets = search.buckets ?? kBucketsAtFirst;
  const read = use_run_lines(project, {
    asked,
    chosen,
    groups: group && {
      experiment_ids: [id],
      filter,
      by: group.id,
      buckets: group.kind === "metrics" ? buckets : undefined,
      // Ordered by a metric, groups stand by its mean; otherwise as the server likes them.
      order: search.gorder ?? (order.startsWith("metrics.") ? order : ""),
      metrics: chosen.metrics,
    },
    open: new Set(open),
    ready: keys.data !== undefined || named.length > 0,
  });
  const selected = search.sel ? search.sel.split(",") : [];

  const set = (change: Partial<RunsSearch>) =>
    void navigate({
      to: ".",
      search: ((old: RunsSearch) => ({ ...old, ...change })) as never,
      replace: true,
    });
  const { read_more } = read;
  const near_end = useCallback(() => read_more(), [read_more]);
  const toggle = (key: string) =>
    set({ open: joined(open.includes(key) ? open.filter((k) => k !== key) : [...open, key]) });

  const error = experiment.error ?? read.error ?? keys.error;
  const title = experiment.data?.name ?? `Experiment ${id}`;
  return (
    <>
      <PageHead
        eyebrow={
          <Link to="/p/$project/experiments" params={{ project }} className="link">
            Experiments
          </Link>
        }
        title={title}
        sub={
          <span data-testid="run-count">
            {read.pending ? "Counting runs" : counted(read.total, read.runs, { filter, nested })}
          </span>
        }
        actions={<ApiLinks url={api_url(project, `/experiments/${id}`)} />}
      />
      {error && <Failure error={error} retry={read.refetch} />}
      <Panel flush className={error ? "mt-3" : ""}>
        <div className="flex flex-wrap items-center gap-2 border-line border-b px-4 py-2.5">
          <FilterBox
            value={filter}
            keys={keys.data}
            on_apply={(next) => set({ filter: next || undefined, sel: undefined })}
          />
          <label className="flex h-8 cursor-pointer items-center gap-1.5 text-ink-2 text-xs">
            <input
              type="checkbox"
              className="size-4 accent-(--accent)"
              checked={search.diff === 1}
              onChange={(event) => set({ diff: event.target.checked ? 1 : undefined })}
            />
            Only differing
          </label>
          <Button icon="table" onClick={() => set_choosing("columns")}>
            Columns
          </Button>
          <Button aria-haspopup="dialog" onClick={() => set_choosing("group")}>
            {group ? (
              <>
                Grouped by <span className="max-w-40 truncate font-mono">{group.key}</span>
              </>
            ) : (
              "Group by"
            )}
          </Button>
          {!group && (
            <Segmented
              label="Children"
              value={nested ? "nested" : "flat"}
              onChange={(next) => set({ nest: next === "nested" ? 1 : undefined, open: undefined })}
              options={[
                { value: "flat", label: "Flat" },
                { value: "nested", label: "Nested" },
              ]}
            />
          )}
          <Button
            look="primary"
            icon="chart"
            disabled={selected.length === 0}
            onClick={() =>
              void navigate({
                to: "/p/$project/compare",
                params: { project },
                search: { runs: selected.join(",") },
              })
            }
          >
            Compare {selected.length > 0 ? selected.length : ""}
          </Button>
        </div>
        {experiment.data && <Views id={id} tags={experiment.data.tags} />}
        {keys.data && !keys.data.whole && (
          <p className="border-line border-b px-4 py-1.5 text-ink-3 text-xs">
            Columns and differences are those of the newest {integer(keys.data.runs)} runs.
          </p>
        )}
        {read.pending && !error && <Waiting rows={8} />}
        {!read.pending && !error && read.lines.length === 0 && (
          <Empty title={filter ? "No run matches the filter" : "No runs yet"}>
            {filter ? (
              <Button onClick={() => set({ filter: undefined })}>Drop the filter</Button>
            ) : (
              "Runs that are logged to this experiment appear here."
            )}
          </Empty>
        )}
        {read.lines.length > 0 && (
          <RunGrid
            lines={read.lines}
            total={read.total + read.lines.length - read.tops}
            more={read.more}
            columns={columns}
            order={order}
            tree={nested || group !== null}
            grouped={group?.id ?? ""}
            group_order={search.gorder ?? ""}
            selected={selected}
            on_order={(next) => set({ order: next || undefined, gorder: undefined })}
            on_group_order={(next) => set({ gorder: (next || undefined) as RunsSearch["gorder"] })}
            on_select={(ids) => set({ sel: ids.join(",") || undefined })}
            on_toggle={toggle}
            on_more={read.read_more_of}
            on_near_end={near_end}
          />
        )}
      </Panel>
      {choosing === "columns" && (
        <ColumnChooser
          all={all_columns(keys.data)}
          shown={wanted}
          on_close={() => set_choosing(null)}
          on_apply={(ids) => {
            set_choosing(null);
            set({ cols: joined(ids) });
          }}
        />
      )}
      {choosing === "group" && (
        <GroupChooser
          all={groupable(keys.data)}
          chosen={group?.id ?? ""}
          buckets={buckets}
          on_close={() => set_choosing(null)}
          on_apply={(by, fine) => {
            set_choosing(null);
            set({
              group: by || undefined,
              buckets: by.startsWith("metrics.") && fine !== kBucketsAtFirst ? fine : undefined,
              gorder: undefined,
              open: undefined,
            });
          }}
        />
      )}
    </>
  );
}

/** "12 groups of 260 runs match the filter". */
function counted(
  total: number,
  runs: number | null,
  { filter, nested }: { filter: string; nested: boolean },
): string {
  const tail = filter ? " match the filter" : "";
  if (nested)
    return `${plural(total, "run")} at the top${filter ? " of what matches the filter" : ""}`;
  if (runs === null || runs === total) return `${plural(total, "run")}${tail}`;
  return `${plural(runs, "run")} in ${plural(total, "group")}${tail}`;
}
