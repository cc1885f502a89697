// The table of an experiment's runs. All of what it shows is in the address: a view is a link.
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { api_url } from "../api/client";
import {
  drop_view,
  experiment_query,
  kViewTag,
  run_keys_query,
  run_rows_query,
  save_view,
} from "../api/tracking_queries";
import { useProject } from "../app/project";
import type { RunsSearch } from "../app/tracking_routes";
import { integer, plural } from "../lib/format";
import {
  all_columns,
  column_of,
  default_columns,
  only_differing,
  type RunColumn,
} from "../lib/run_table";
import { Dialog } from "../ui/dialog";
import { FilterBox } from "../ui/filter_box";
import { ApiLinks, Button, Empty, Failure, PageHead, Panel, Waiting } from "../ui/kit";
import { RunGrid } from "../ui/run_grid";
import { toast } from "../ui/toast";

const kAtOnceMax = 100; // Columns of a kind that the server reads.

function Chooser({
  all,
  shown,
  on_apply,
  on_close,
}: {
  all: RunColumn[];
  shown: RunColumn[];
  on_apply: (ids: string[]) => void;
  on_close: () => void;
}) {
  const [chosen, set_chosen] = useState(shown.map((c) => c.id));
  const [word, set_word] = useState("");
  const found = all.filter((c) => c.id.toLowerCase().includes(word.toLowerCase()));
  return (
    <Dialog title="Columns" on_close={on_close}>
      <div className="flex flex-col gap-3">
        <input
          aria-label="Find a column"
          placeholder="Find a column"
          value={word}
          onChange={(event) => set_word(event.target.value)}
          className="h-8 rounded-lg border border-line-strong bg-panel px-3 text-sm placeholder:text-ink-3"
        />
        <fieldset className="max-h-72 overflow-auto rounded-lg border border-line p-1">
          <legend className="sr-only">Columns to show</legend>
          {found.slice(0, 300).map((c) => (
            <label
              key={c.id}
              className="flex cursor-pointer items-center gap-2 rounded px-2 py-1 text-sm hover:bg-sunken"
            >
              <input
                type="checkbox"
                className="size-4 accent-(--accent)"
                checked={chosen.includes(c.id)}
                onChange={(event) =>
                  set_chosen(
                    event.target.checked ? [...chosen, c.id] : chosen.filter((id) => id !== c.id),
                  )
                }
              />
              <span className="truncate font-mono text-xs">{c.id}</span>
            </label>
          ))}
        </fieldset>
        {found.length > 300 && (
          <p className="text-ink-3 text-xs">
            {integer(found.length - 300)} more: type to find them.
          </p>
        )}
        <div className="flex justify-end gap-2">
          <Button look="quiet" className="mr-auto" onClick={() => on_apply([])}>
            Reset
          </Button>
          <Button look="quiet" onClick={on_close}>
            Cancel
          </Button>
          <Button look="primary" onClick={() => on_apply(chosen)}>
            Show {plural(chosen.length, "column")}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

function Views({ id, tags }: { id: string; tags: Record<string, string> }) {
  const project = useProject();
  const client = useQueryClient();
  const [name, set_name] = useState("");
  const view = new URLSearchParams(location.search);
  view.delete("sel"); // What is selected now is no part of a view.
  const here = view.toString();
  const views = Object.entries(tags).filter(([key]) => key.startsWith(kViewTag));
  const changed = () => client.invalidateQueries({ queryKey: [project, "experiments"] });
  const save = useMutation({
    mutationFn: (called: string) => save_view(project, id, called, here),
    onSuccess: (_, called) => {
      toast(`View “${called}” saved`);
      set_name("");
      return changed();
    },
  });
  const drop = useMutation({
    mutationFn: (called: string) => drop_view(project, id, called),
    onSuccess: changed,
  });
  return (
    <div className="flex flex-wrap items-center gap-2 border-line border-b px-4 py-2 text-xs">
      <span className="text-ink-3">Views</span>
      {views.length === 0 && <span className="text-ink-3">none saved yet</span>}
      {views.map(([key, value]) => {
        const called = key.slice(kViewTag.length);
        return (
          <span
            key={key}
            className="inline-flex items-center gap-1 rounded-md bg-sunken py-0.5 pr-1 pl-2 ring-1 ring-line ring-inset"
          >
            <Link
              to="/p/$project/experiments/$id"
              params={{ project, id }}
              search={Object.fromEntries(new URLSearchParams(value))}
              className="link"
            >
              {called}
            </Link>
            <button
              type="button"
              aria-label={`Delete view ${called}`}
              className="grid size-6 place-items-center rounded text-ink-3 hover:text-bad"
              onClick={() => drop.mutate(called)}
            >
              ×
            </button>
          </span>
        );
      })}
      <form
        className="ml-auto flex items-center gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim()) save.mutate(name.trim());
        }}
      >
        <input
          aria-label="Name of the view"
          placeholder="Name this view"
          maxLength={80}
          value={name}
          onChange={(event) => set_name(event.target.value)}
          className="h-7 w-36 rounded-md border border-line-strong bg-panel px-2 placeholder:text-ink-3"
        />
        <Button type="submit" disabled={!name.trim() || save.isPending}>
          Save view
        </Button>
      </form>
      {(save.error ?? drop.error) && <Failure error={save.error ?? drop.error} />}
    </div>
  );
}

export function ExperimentPage() {
  const project = useProject();
  const { id } = useParams({ strict: false }) as { id: string };
  const search = useSearch({ strict: false }) as RunsSearch;
  const navigate = useNavigate();
  const [choosing, set_choosing] = useState(false);
  const filter = search.filter ?? "";
  const order = search.order ?? "";
  const asked = useMemo(
    () => ({ experiment_ids: [id], filter, order_by: order ? [order] : [] }),
    [id, filter, order],
  );
  const experiment = useQuery(experiment_query(project, id));
  const keys = useQuery(run_keys_query(project, { ...asked, order_by: [] }));
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
  const rows = useInfiniteQuery({
    ...run_rows_query(project, asked, {
      metrics: of("metrics"),
      params: of("params"),
      tags: of("tags"),
    }),
    enabled: keys.data !== undefined || named.length > 0,
  });
  const items = useMemo(() => rows.data?.pages.flatMap((p) => p.items) ?? [], [rows.data]);
  const total = rows.data?.pages[0]?.total ?? items.length;
  const selected = search.sel ? search.sel.split(",") : [];

  const set = (change: Partial<RunsSearch>) =>
    void navigate({
      to: ".",
      search: ((old: RunsSearch) => ({ ...old, ...change })) as never,
      replace: true,
    });
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = rows;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [fetchNextPage, hasNextPage, isFetchingNextPage]);

  const error = experiment.error ?? rows.error ?? keys.error;
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
            {rows.data
              ? `${plural(total, "run")}${filter ? " match the filter" : ""}`
              : "Counting runs"}
          </span>
        }
        actions={<ApiLinks url={api_url(project, `/experiments/${id}`)} />}
      />
      {error && <Failure error={error} retry={() => void rows.refetch()} />}
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
          <Button icon="table" onClick={() => set_choosing(true)}>
            Columns
          </Button>
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
        {rows.isPending && !error && <Waiting rows={8} />}
        {rows.data && items.length === 0 && (
          <Empty title={filter ? "No run matches the filter" : "No runs yet"}>
            {filter ? (
              <Button onClick={() => set({ filter: undefined })}>Drop the filter</Button>
            ) : (
              "Runs that are logged to this experiment appear here."
            )}
          </Empty>
        )}
        {items.length > 0 && (
          <RunGrid
            rows={items}
            total={total}
            columns={columns}
            order={order}
            selected={selected}
            on_order={(next) => set({ order: next || undefined })}
            on_select={(ids) => set({ sel: ids.join(",") || undefined })}
            on_near_end={more}
          />
        )}
      </Panel>
      {choosing && (
        <Chooser
          all={all_columns(keys.data)}
          shown={wanted}
          on_close={() => set_choosing(false)}
          on_apply={(ids) => {
            set_choosing(false);
            set({ cols: ids.map(encodeURIComponent).join(",") || undefined });
          }}
        />
      )}
    </>
  );
}
