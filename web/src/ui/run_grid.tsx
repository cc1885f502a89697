// biome-ignore-all lint/a11y/useSemanticElements: a <table> cannot leave out rows and columns and keep its layout
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus and names the active row
// biome-ignore-all lint/a11y/noStaticElementInteractions: its role is grid or treegrid, which the linter cannot see
// biome-ignore-all lint/a11y/useAriaPropsSupportedByRole: likewise
// The grid of runs. Only the rows and columns inside the window exist; the rest is empty space of the
// right size. It is one tab stop: arrows (or j and k) move, right and left open and close, x selects,
// Enter opens a run's page or a group.
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { useProject } from "../app/project";
import { type Line, parent_of } from "../lib/run_lines";
import { type RunColumn, window_of } from "../lib/run_table";
import {
  GridLine,
  Head,
  kCell,
  kHead,
  kRow,
  line_id,
  NameHead,
  type Shown,
} from "./run_grid_lines";

const kName = 250;
const kNameTree = 300; // Room for the steps of a tree.
const kNameNarrow = 160; // On a phone, so that a column fits beside it.
const kNarrow = 520;
const kMoreRows = 12;
const kMoreColumns = 2;

export interface RunGridProps {
  lines: Line[];
  total: number; // Lines when everything is read; lines that are there when nobody knows.
  more: boolean; // Further lines of the first level can be read.
  columns: RunColumn[];
  order: string;
  tree: boolean;
  grouped: string; // What groups are of; "": the lines are runs.
  group_order: string;
  selected: string[];
  on_order: (order: string) => void;
  on_group_order: (order: string) => void;
  on_select: (ids: string[]) => void;
  on_toggle: (key: string) => void;
  on_more: (of: string) => void;
  on_near_end: () => void;
}

export function RunGrid(props: RunGridProps) {
  const { lines, columns, selected } = props;
  const box = useRef<HTMLDivElement>(null);
  const project = useProject();
  const navigate = useNavigate();
  const [at, set_at] = useState({ top: 0, left: 0, width: 1200, height: 560 });
  const [wanted, set_active] = useState(0);
  const active = Math.min(wanted, Math.max(0, lines.length - 1));

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

  const name_width = at.width < kNarrow ? kNameNarrow : props.tree ? kNameTree : kName;
  const [row_first, row_end] = window_of(at.top, at.height, kRow, lines.length, kMoreRows);
  const [first, end] = window_of(
    at.left,
    Math.max(0, at.width - name_width),
    kCell,
    columns.length,
    kMoreColumns,
  );
  const near_end = row_end >= lines.length - kMoreRows && props.more;
  const { on_near_end } = props;
  useEffect(() => {
    if (near_end) on_near_end();
  }, [near_end, on_near_end]);

  const select = (line: Line | undefined) => {
    if (line?.kind !== "run") return;
    const id = line.row.run_id;
    props.on_select(selected.includes(id) ? selected.filter((s) => s !== id) : [...selected, id]);
  };
  const toggle = (line: Line | undefined) => {
    if (line?.kind === "more") props.on_more(line.of);
    else if (line?.kind === "group" || (line?.kind === "run" && line.open !== null))
      props.on_toggle(line.key);
  };

  function go(next: number) {
    const to = Math.max(0, Math.min(lines.length - 1, next));
    set_active(to);
    const node = box.current;
    if (!node) return;
    const top = to * kRow;
    if (top < node.scrollTop) node.scrollTop = top;
    else if (top + kRow > node.scrollTop + node.clientHeight - kHead)
      node.scrollTop = top + kRow - node.clientHeight + kHead;
  }

  /** Of a tree as everywhere: right opens, then goes in; left closes, then goes out. */
  function on_side(key: string, line: Line | undefined): boolean {
    const open = line?.kind === "run" || line?.kind === "group" ? line.open : null;
    if (key === "ArrowRight" && open === false) toggle(line);
    else if (key === "ArrowRight" && open === true) go(active + 1);
    else if (key === "ArrowLeft" && open === true) toggle(line);
    else if (key === "ArrowLeft" && parent_of(lines, active) >= 0) go(parent_of(lines, active));
    else return false;
    return true;
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
      End: lines.length - 1,
    };
    const line = lines[active];
    const to = moves[event.key];
    if (to !== undefined) go(to);
    else if ((event.key === "x" || event.key === " ") && line?.kind === "run") select(line);
    else if (event.key === "e" || (event.key === "Enter" && line && line.kind !== "run"))
      toggle(line);
    else if (event.key === "Enter" && line?.kind === "run")
      void navigate({ to: "/p/$project/runs/$id", params: { project, id: line.row.run_id } });
    else if (!on_side(event.key, line)) return;
    event.preventDefault();
  }

  const width = name_width + columns.length * kCell;
  const shown: Shown = { columns, first, end, name_width, tree: props.tree };
  const here = lines[active];
  return (
    <div
      ref={box}
      role={props.tree ? "treegrid" : "grid"}
      aria-label="Runs"
      aria-rowcount={props.total + 1}
      aria-colcount={columns.length + 1}
      aria-multiselectable="true"
      aria-activedescendant={here ? line_id(here) : undefined}
      tabIndex={0}
      onKeyDown={on_key}
      className="group/grid relative overflow-auto rounded-b-[10px]"
      style={{ height: Math.min(Math.max(lines.length, 1) * kRow + kHead + 16, 620) }}
    >
      <div
        role="row"
        aria-rowindex={1}
        className="sticky top-0 z-10"
        style={{ width, height: kHead }}
      >
        <NameHead
          width={name_width}
          grouped={props.grouped}
          order={props.group_order}
          on_order={props.on_group_order}
        />
        {columns.slice(first, end).map((column, i) => (
          <Head
            key={column.id}
            column={column}
            index={first + i}
            left={name_width + (first + i) * kCell}
            order={props.order}
            on_order={props.on_order}
          />
        ))}
      </div>
      <div role="rowgroup" className="relative" style={{ width, height: lines.length * kRow }}>
        {lines.slice(row_first, row_end).map((line, i) => (
          <GridLine
            key={line.key}
            line={line}
            index={row_first + i}
            active={row_first + i === active}
            chosen={line.kind === "run" && selected.includes(line.row.run_id)}
            shown={shown}
            width={width}
            on_toggle={() => toggle(line)}
            on_select={() => select(line)}
          />
        ))}
      </div>
    </div>
  );
}
