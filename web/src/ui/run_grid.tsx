// biome-ignore-all lint/a11y/useSemanticElements: a <table> cannot leave out rows and columns and keep its layout
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus and names the active row
// The grid of runs. Only the rows and columns inside the window exist; the rest is empty space of the
// right size. It is one tab stop: arrows (or j and k) move, x selects, Enter opens.
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import type { RunRow } from "../api/tracking_types";
import { useProject } from "../app/project";
import { span_ms, timestamp } from "../lib/format";
import { figure, number_of } from "../lib/odd";
import { order_of, type RunColumn, window_of } from "../lib/run_table";
import { RunLink, RunStatusBadge } from "./run_parts";

const kRow = 34;
const kHead = 34;
const kName = 250;
const kNameNarrow = 160; // On a phone, so that a column fits beside it.
const kNarrow = 520;
const kCell = 132;
const kMoreRows = 12;
const kMoreColumns = 2;

export interface RunGridProps {
  rows: RunRow[];
  total: number;
  columns: RunColumn[];
  order: string;
  selected: string[];
  on_order: (order: string) => void;
  on_select: (ids: string[]) => void;
  on_near_end: () => void;
}

function cell_text(row: RunRow, column: RunColumn): string {
  if (column.kind === "metrics") return figure(number_of(row.metrics[column.key]));
  if (column.kind === "params") return row.params[column.key] ?? "–";
  if (column.kind === "tags") return row.tags[column.key] ?? "–";
  if (column.key === "start_time") return timestamp(row.start_ms);
  if (column.key === "duration")
    return row.end_ms === null ? "–" : span_ms(row.end_ms - row.start_ms);
  return column.key === "user_id" ? row.user_id || row.author : row.status;
}

function Head({
  column,
  left,
  index,
  order,
  on_order,
}: {
  column: RunColumn;
  left: number;
  index: number;
  order: string;
  on_order: (order: string) => void;
}) {
  const [up, down] = [order_of(column, false), order_of(column, true)];
  const sorted = order === up ? "ascending" : order === down ? "descending" : "none";
  const arrow = sorted === "none" ? "" : sorted === "ascending" ? " ↑" : " ↓";
  const next = sorted === "descending" ? up : sorted === "ascending" ? "" : down;
  return (
    <div
      role="columnheader"
      aria-sort={up ? sorted : undefined}
      aria-colindex={index + 2}
      className={`absolute top-0 flex items-center border-line border-b bg-panel px-2 text-2xs text-ink-3 ${column.kind === "metrics" ? "justify-end" : ""}`}
      style={{ left, width: kCell, height: kHead }}
      title={column.id}
    >
      {up === null ? (
        <span className="truncate">{column.key.replace("_", " ")}</span>
      ) : (
        <button
          type="button"
          tabIndex={-1}
          className={`min-w-0 truncate rounded text-left hover:text-ink ${sorted === "none" ? "" : "font-semibold text-ink"}`}
          onClick={() => on_order(next ?? "")}
        >
          {column.kind === "attributes" ? column.key.replace("_", " ") : column.key}
          {arrow}
        </button>
      )}
    </div>
  );
}

export function RunGrid(props: RunGridProps) {
  const { rows, columns, selected } = props;
  const box = useRef<HTMLDivElement>(null);
  const project = useProject();
  const navigate = useNavigate();
  const [at, set_at] = useState({ top: 0, left: 0, width: 1200, height: 560 });
  const [active, set_active] = useState(0);

  useEffect(() => {
    const node = box.current;
    if (!node) return;
    const look = () =>
      set_at({
        top: node.scrollTop,
        left: node.scrollLeft,
        width: node.clientWidth,
        height: node.clientHeight,
      });
    look();
    node.addEventListener("scroll", look, { passive: true });
    const watch = new ResizeObserver(look);
    watch.observe(node);
    return () => {
      node.removeEventListener("scroll", look);
      watch.disconnect();
    };
  }, []);

  const name_width = at.width < kNarrow ? kNameNarrow : kName;
  const [row_first, row_end] = window_of(at.top, at.height, kRow, rows.length, kMoreRows);
  const [col_first, col_end] = window_of(
    at.left,
    Math.max(0, at.width - name_width),
    kCell,
    columns.length,
    kMoreColumns,
  );
  const near_end = row_end >= rows.length - kMoreRows && rows.length < props.total;
  const { on_near_end } = props;
  useEffect(() => {
    if (near_end) on_near_end();
  }, [near_end, on_near_end]);

  const toggle = (id: string) =>
    props.on_select(selected.includes(id) ? selected.filter((s) => s !== id) : [...selected, id]);

  function go(next: number) {
    const to = Math.max(0, Math.min(rows.length - 1, next));
    set_active(to);
    const node = box.current;
    if (!node) return;
    const top = to * kRow;
    if (top < node.scrollTop) node.scrollTop = top;
    else if (top + kRow > node.scrollTop + node.clientHeight - kHead)
      node.scrollTop = top + kRow - node.clientHeight + kHead;
  }

  function on_key(event: KeyboardEvent) {
    if (event.target !== box.current || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor((at.height - kHead) / kRow) - 1);
    const moves: Record<string, number> = {
      ArrowDown: active + 1,
      j: active + 1,
      ArrowUp: active - 1,
      k: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: rows.length - 1,
    };
    const run = rows[active];
    const to = moves[event.key];
    if (to !== undefined) go(to);
    else if ((event.key === "x" || event.key === " ") && run) toggle(run.run_id);
    else if (event.key === "Enter" && run)
      void navigate({ to: "/p/$project/runs/$id", params: { project, id: run.run_id } });
    else return;
    event.preventDefault();
  }

  const width = name_width + columns.length * kCell;
  return (
    <div
      ref={box}
      role="grid"
      aria-label="Runs"
      aria-rowcount={props.total + 1}
      aria-colcount={columns.length + 1}
      aria-multiselectable="true"
      aria-activedescendant={rows[active] ? `run-${rows[active].run_id}` : undefined}
      tabIndex={0}
      onKeyDown={on_key}
      className="group/grid relative overflow-auto rounded-b-[10px]"
      style={{ height: Math.min(Math.max(rows.length, 1) * kRow + kHead + 16, 620) }}
    >
      <div
        role="row"
        aria-rowindex={1}
        className="sticky top-0 z-10"
        style={{ width, height: kHead }}
      >
        <div
          role="columnheader"
          aria-colindex={1}
          className="sticky left-0 z-10 flex items-center border-line border-r border-b bg-panel px-3 text-2xs text-ink-3"
          style={{ width: name_width, height: kHead }}
        >
          Run
        </div>
        {columns.slice(col_first, col_end).map((column, i) => (
          <Head
            key={column.id}
            column={column}
            index={col_first + i}
            left={name_width + (col_first + i) * kCell}
            order={props.order}
            on_order={props.on_order}
          />
        ))}
      </div>
      <div role="rowgroup" className="relative" style={{ width, height: rows.length * kRow }}>
        {rows.slice(row_first, row_end).map((row, i) => {
          const index = row_first + i;
          const chosen = selected.includes(row.run_id);
          const paper = chosen ? "bg-accent-soft" : "bg-panel";
          return (
            <div
              key={row.run_id}
              id={`run-${row.run_id}`}
              role="row"
              aria-rowindex={index + 2}
              aria-selected={chosen}
              data-testid={`run-${row.run_id}`}
              className={`absolute border-line border-b text-sm ${paper} ${index === active ? "group-focus-visible/grid:outline-2 group-focus-visible/grid:outline-accent group-focus-visible/grid:-outline-offset-2" : ""}`}
              style={{ top: index * kRow, width, height: kRow }}
            >
              <div
                role="gridcell"
                aria-colindex={1}
                className={`sticky left-0 z-[1] flex items-center gap-2 border-line border-r px-3 ${paper}`}
                style={{ width: name_width, height: kRow - 1 }}
              >
                <input
                  type="checkbox"
                  tabIndex={-1}
                  aria-label={`Select ${row.name}`}
                  checked={chosen}
                  onChange={() => toggle(row.run_id)}
                  className="size-4 accent-(--accent)"
                />
                <span className="min-w-0 truncate" title={row.name}>
                  <RunLink id={row.run_id}>{row.name || row.run_id}</RunLink>
                </span>
              </div>
              {columns.slice(col_first, col_end).map((column, j) => (
                <div
                  key={column.id}
                  role="gridcell"
                  aria-colindex={col_first + j + 2}
                  data-testid={column.id}
                  title={cell_text(row, column)}
                  className={`absolute top-0 truncate px-2 leading-[33px] ${column.kind === "metrics" ? "text-right tabular-nums" : "text-ink-2"}`}
                  style={{
                    left: name_width + (col_first + j) * kCell,
                    width: kCell,
                    height: kRow - 1,
                  }}
                >
                  {column.id === "attributes.status" ? (
                    <RunStatusBadge status={row.status} />
                  ) : column.id === "attributes.start_time" ? (
                    timestamp(row.start_ms).slice(5)
                  ) : (
                    cell_text(row, column)
                  )}
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}
