// biome-ignore-all lint/a11y/useSemanticElements: a <table> cannot leave out rows and columns and keep its layout
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus and names the active row
// The lines of the grid of runs: heads, runs, groups, and what stands for runs that aren't here yet.
import type { ReactNode } from "react";
import type { RunRow } from "../api/tracking_types";
import { integer, span_ms, timestamp } from "../lib/format";
import { figure, number_of } from "../lib/odd";
import { group_text, type Line, sum_texts } from "../lib/run_lines";
import { order_of, type RunColumn } from "../lib/run_table";
import { RunLink, RunStatusBadge } from "./run_parts";

export const kRow = 34;
export const kHead = 34;
export const kCell = 132;
const kIndent = 18;

export interface Shown {
  columns: RunColumn[];
  first: number; // Of them the first and the one behind the last that exist.
  end: number;
  name_width: number;
  tree: boolean;
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

export function Head({
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

/** The head of the first column; of groups it orders them: by size, then by what they have in common. */
export function NameHead({
  width,
  grouped,
  order,
  on_order,
}: {
  width: number;
  grouped: string;
  order: string;
  on_order: (order: string) => void;
}) {
  const sorted =
    order === "value ASC" ? "ascending" : order === "value DESC" ? "descending" : "none";
  const next = sorted === "none" ? "value ASC" : sorted === "ascending" ? "value DESC" : "";
  return (
    <div
      role="columnheader"
      aria-colindex={1}
      aria-sort={grouped ? sorted : undefined}
      className="sticky left-0 z-10 flex items-center border-line border-r border-b bg-panel px-3 text-2xs text-ink-3"
      style={{ width, height: kHead }}
    >
      {grouped ? (
        <button
          type="button"
          tabIndex={-1}
          title={grouped}
          className={`min-w-0 truncate rounded text-left hover:text-ink ${sorted === "none" ? "" : "font-semibold text-ink"}`}
          onClick={() => on_order(next)}
        >
          {grouped}
          {sorted === "ascending" ? " ↑" : sorted === "descending" ? " ↓" : ""}
        </button>
      ) : (
        "Run"
      )}
    </div>
  );
}

/** Opens a line by mouse; by keys the grid does. */
function Twist({
  open,
  label,
  on_toggle,
}: {
  open: boolean;
  label: string;
  on_toggle: () => void;
}) {
  return (
    <button
      type="button"
      tabIndex={-1}
      aria-label={`${open ? "Close" : "Open"} ${label}`}
      className="-mx-1 grid size-6 shrink-0 place-items-center rounded text-ink-3 hover:bg-sunken hover:text-ink"
      onClick={on_toggle}
    >
      <svg
        width="10"
        height="10"
        viewBox="0 0 10 10"
        aria-hidden="true"
        className={open ? "rotate-90" : ""}
      >
        <path d="M3 1.5 7 5 3 8.5" fill="none" stroke="currentColor" strokeWidth="1.6" />
      </svg>
    </button>
  );
}

export interface LineProps {
  line: Line;
  index: number;
  active: boolean;
  chosen: boolean;
  shown: Shown;
  width: number;
  on_toggle: () => void;
  on_select: () => void;
}

/** The row around a line: where it lies, what it is to a reader of trees, and its first cell. */
function Frame({
  props,
  id,
  test_id,
  open,
  paper,
  first,
  children,
}: {
  props: LineProps;
  id: string;
  test_id: string;
  open: boolean | null;
  paper: string;
  first: ReactNode;
  children?: ReactNode;
}) {
  const { line, index, active, chosen, shown } = props;
  return (
    <div
      id={id}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={chosen}
      aria-level={shown.tree ? line.depth + 1 : undefined}
      aria-expanded={shown.tree && open !== null ? open : undefined}
      data-testid={test_id}
      className={`absolute border-line border-b text-sm ${paper} ${active ? "group-focus-visible/grid:outline-2 group-focus-visible/grid:outline-accent group-focus-visible/grid:-outline-offset-2" : ""}`}
      style={{ top: index * kRow, width: props.width, height: kRow }}
    >
      <div
        role="gridcell"
        aria-colindex={1}
        className={`sticky left-0 z-[1] flex items-center gap-2 border-line border-r px-3 ${paper}`}
        style={{
          width: shown.name_width,
          height: kRow - 1,
          paddingLeft: 12 + Math.min(line.depth, 6) * kIndent,
        }}
      >
        {first}
      </div>
      {children}
    </div>
  );
}

function place(shown: Shown, at: number) {
  return { left: shown.name_width + at * kCell, width: kCell, height: kRow - 1 };
}

function RunLine(props: LineProps & { line: Line & { kind: "run" } }) {
  const { line, chosen, shown } = props;
  const row = line.row;
  const paper = chosen ? "bg-accent-soft" : "bg-panel";
  return (
    <Frame
      props={props}
      id={line_id(line)}
      test_id={`run-${row.run_id}`}
      open={line.open}
      paper={paper}
      first={
        <>
          {line.open !== null && (
            <Twist open={line.open} label={row.name} on_toggle={props.on_toggle} />
          )}
          {line.open === null && shown.tree && <span className="-mx-1 w-6 shrink-0" />}
          <input
            type="checkbox"
            tabIndex={-1}
            aria-label={`Select ${row.name}`}
            checked={chosen}
            onChange={props.on_select}
            className="size-4 shrink-0 accent-(--accent)"
          />
          <span className="min-w-0 truncate" title={row.name}>
            <RunLink id={row.run_id}>{row.name || row.run_id}</RunLink>
          </span>
        </>
      }
    >
      {shown.columns.slice(shown.first, shown.end).map((column, j) => (
        <div
          key={column.id}
          role="gridcell"
          aria-colindex={shown.first + j + 2}
          data-testid={column.id}
          title={cell_text(row, column)}
          className={`absolute top-0 truncate px-2 leading-[33px] ${column.kind === "metrics" ? "text-right tabular-nums" : "text-ink-2"}`}
          style={place(shown, shown.first + j)}
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
    </Frame>
  );
}

function GroupLine(props: LineProps & { line: Line & { kind: "group" } }) {
  const { line, shown } = props;
  const { group } = line;
  const text = group_text(group);
  const known = group.kind === "text" && group.text !== "";
  return (
    <Frame
      props={props}
      id={line_id(line)}
      test_id={`group-${group.id}`}
      open={line.open}
      paper="bg-sunken"
      first={
        <>
          <Twist open={line.open} label={text} on_toggle={props.on_toggle} />
          <span
            className={`min-w-0 truncate font-medium ${known || group.kind === "stretch" ? "" : "text-ink-2"}`}
            title={text}
          >
            {text}
          </span>
          <span className="ml-auto shrink-0 text-ink-3 text-xs tabular-nums" data-testid="runs">
            {integer(group.runs)}
          </span>
        </>
      }
    >
      {shown.columns.slice(shown.first, shown.end).map((column, j) => {
        const sum =
          column.kind === "metrics" ? sum_texts(group.metrics[column.key]) : { mean: "", span: "" };
        return (
          <div
            key={column.id}
            role="gridcell"
            aria-colindex={shown.first + j + 2}
            data-testid={column.id}
            title={sum.span ? `mean ${sum.mean}, ${sum.span}` : sum.mean}
            className="absolute top-0 flex flex-col justify-center px-2 text-right tabular-nums"
            style={place(shown, shown.first + j)}
          >
            <span className="truncate leading-4" data-testid="mean">
              {sum.mean}
            </span>
            {sum.span && (
              <span className="truncate text-2xs text-ink-3 leading-3" data-testid="span">
                {sum.span}
              </span>
            )}
          </div>
        );
      })}
    </Frame>
  );
}

function SmallLine(props: LineProps & { line: Line & { kind: "more" | "note" } }) {
  const { line } = props;
  return (
    <Frame
      props={props}
      id={line_id(line)}
      test_id={`${line.kind}-${line.of}`}
      open={null}
      paper="bg-panel"
      first={
        line.kind === "more" ? (
          <button
            type="button"
            tabIndex={-1}
            className="link truncate rounded text-xs"
            onClick={props.on_toggle}
          >
            {integer(line.left)} more
          </button>
        ) : (
          <span className="truncate text-ink-3 text-xs" title={line.text}>
            {line.text}
          </span>
        )
      }
    />
  );
}

export const line_id = (line: Line) =>
  line.kind === "run"
    ? `run-${line.row.run_id}`
    : `line-${encodeURIComponent(line.key).replaceAll("%", "_")}`;

export function GridLine(props: LineProps) {
  const { line } = props;
  if (line.kind === "run") return <RunLine {...props} line={line} />;
  if (line.kind === "group") return <GroupLine {...props} line={line} />;
  return <SmallLine {...props} line={line} />;
}
