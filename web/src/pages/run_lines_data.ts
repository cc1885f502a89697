// What the lines of the table are made of: its first level by pages, and each opened line's own.
import { useInfiniteQuery, useQueries, useQueryClient } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import {
  branch_query,
  type Chosen,
  type GroupsAsked,
  type RunsAsked,
  run_groups_query,
  run_rows_query,
} from "../api/tracking_queries";
import type { RunGroup, RunRow } from "../api/tracking_types";
import { type Branch, group_lines, type Line, run_lines, shown_branches } from "../lib/run_lines";

const kBranchesMax = 50; // Of one address.

export interface LinesAsked {
  asked: RunsAsked;
  chosen: Chosen;
  groups: GroupsAsked | null;
  open: ReadonlySet<string>;
  ready: boolean;
}

export interface LinesRead {
  lines: Line[];
  tops: number; // Lines of the first level that were read, …
  total: number; // … and how many there are.
  runs: number | null; // All that match, when that is known.
  pending: boolean;
  error: Error | null;
  refetch: () => void;
  more: boolean;
  read_more: () => void;
  read_more_of: (key: string) => void;
}

/** What an opened line's runs are asked by. */
function asked_of(key: string, all: LinesAsked): RunsAsked {
  if (key.startsWith("r")) return { ...all.asked, nested: true, parent_id: key.slice(1) };
  return { ...all.asked, nested: undefined, group: { by: all.groups?.by ?? "", id: key.slice(1) } };
}

export function use_run_lines(project: string, all: LinesAsked): LinesRead {
  const grouped = all.groups !== null;
  const rows = useInfiniteQuery({
    ...run_rows_query(project, all.asked, all.chosen),
    enabled: all.ready && !grouped,
  });
  const groups = useInfiniteQuery({
    ...run_groups_query(project, all.groups ?? kNoGroups),
    enabled: all.ready && grouped,
  });
  const [pages, set_pages] = useState<Readonly<Record<string, number>>>({});
  const known = useRef(new Map<string, Branch>()); // Stays on the page while a branch is read again.
  const top = grouped ? groups : rows;
  const tops = useMemo<readonly (RunRow | RunGroup)[]>(
    () => (top.data?.pages ?? []).flatMap((p): (RunRow | RunGroup)[] => p.items),
    [top.data],
  );
  const client = useQueryClient();
  const query_of = (key: string) =>
    branch_query(project, asked_of(key, all), all.chosen, pages[key] ?? 1);
  const keys = shown_branches(
    tops,
    all.open,
    (key) => client.getQueryData<Branch>(query_of(key).queryKey) ?? known.current.get(key),
  ).slice(0, kBranchesMax);
  const found = useQueries({ queries: keys.map(query_of) });
  const branches = new Map<string, Branch>();
  keys.forEach((key, i) => {
    const { data, error } = found[i] ?? {};
    const branch = data ?? (error ? { rows: [], left: 0, error: error.message } : undefined);
    const shown = branch ?? known.current.get(key);
    if (shown) branches.set(key, shown);
  });
  known.current = branches;
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = top;
  return {
    lines: grouped
      ? group_lines(tops as RunGroup[], all.open, branches)
      : run_lines(tops as RunRow[], all.open, branches),
    tops: tops.length,
    total: grouped
      ? (groups.data?.pages[0]?.groups ?? tops.length)
      : (rows.data?.pages[0]?.total ?? tops.length),
    runs: grouped
      ? (groups.data?.pages[0]?.runs ?? null)
      : all.asked.nested
        ? null
        : (rows.data?.pages[0]?.total ?? null),
    pending: top.isPending,
    error: top.error,
    refetch: () => void top.refetch(),
    more: hasNextPage,
    read_more: () => {
      if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
    },
    read_more_of: (key) => set_pages((old) => ({ ...old, [key]: (old[key] ?? 1) + 1 })),
  };
}

const kNoGroups: GroupsAsked = { experiment_ids: [], filter: "", by: "", order: "", metrics: [] };
