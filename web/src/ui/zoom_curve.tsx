// A chart of curves whose visible part the server draws as finely as the chart has pixels. Until that
// part is here, and around it, the coarse curves stand.
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { curves_query } from "../api/tracking_queries";
import { useProject } from "../app/project";
import { integer, span_ms, timestamp } from "../lib/format";
import { is_exact, moved, type Span, scaled, span_text, spliced } from "../lib/zoom";
import { CurveChart, type CurveChartProps } from "./curve_chart";
import { Button } from "./kit";

const kWidthStep_px = 100; // A window that is dragged wider asks a few times, not at every pixel.
const kPixelsMax = 3_000;

export function ZoomCurve(
  props: Omit<CurveChartProps, "drawn" | "on_zoom" | "on_whole"> & {
    live: boolean;
    on_seen: (zoom: string | undefined) => void;
  },
) {
  const { curves, seen, x, live, on_seen, ...rest } = props;
  const project = useProject();
  const box = useRef<HTMLDivElement>(null);
  const [width, set_width] = useState(0);
  useEffect(() => {
    const node = box.current;
    if (!node) return;
    const look = () => set_width(Math.ceil(node.clientWidth / kWidthStep_px) * kWidthStep_px);
    look();
    const watch = new ResizeObserver(look);
    watch.observe(node);
    return () => watch.disconnect();
  }, []);
  const first = (c: { x_min?: number }) => (x === "relative" ? (c.x_min ?? 0) : 0);
  const part = (c: { x_min?: number }): Span => {
    const [from, to] = seen ?? [0, 0];
    return [from + first(c), to + first(c)];
  };
  const wanted = seen ? curves.filter((c) => !is_exact(c, part(c))) : [];
  const fine = useQuery({
    ...curves_query(
      project,
      {
        run_ids: wanted.map((c) => c.run_id),
        keys: [...new Set(wanted.map((c) => c.key))],
        x: x === "step" ? "step" : "time",
        points: Math.min(kPixelsMax, width),
        from: seen?.[0],
        to: seen?.[1],
        relative: x === "relative" ? true : undefined,
      },
      live,
    ),
    enabled: wanted.length > 0 && width > 0,
    placeholderData: undefined, // Of another part it would be drawn in the wrong place.
  });
  const drawn = seen
    ? curves.map((c) =>
        spliced(
          c,
          fine.data?.find((f) => f.run_id === c.run_id && f.key === c.key),
          part(c),
        ),
      )
    : curves;
  return (
    <div ref={box} data-fine={fine.data ? integer(count_of(fine.data)) : undefined}>
      <CurveChart
        {...rest}
        curves={curves}
        x={x}
        seen={seen}
        drawn={drawn}
        on_zoom={(from, to) => on_seen(span_text(from, to))}
        on_whole={() => on_seen(undefined)}
      />
    </div>
  );
}

const count_of = (curves: { points: number }[]) => curves.reduce((sum, c) => sum + c.points, 0);

function place(x: number, kind: CurveChartProps["x"]): string {
  if (kind === "step") return integer(x);
  return kind === "time" ? timestamp(x) : Math.abs(x) < 1_000 ? `${Math.round(x)} ms` : span_ms(x);
}

/** Zooming by buttons, for the keyboard and for who has no fine mouse. */
export function ZoomBar({
  seen,
  whole,
  x,
  on_seen,
}: {
  seen: Span | null;
  whole: Span | null;
  x: CurveChartProps["x"];
  on_seen: (zoom: string | undefined) => void;
}) {
  if (!whole) return null;
  const now = seen ?? whole;
  const show = (next: Span) => on_seen(span_text(next[0], next[1]));
  const acts: [string, string, boolean, () => void][] = [
    ["Zoom in", "+", false, () => show(scaled(now, whole, 0.5))],
    [
      "Zoom out",
      "−",
      seen === null,
      () =>
        now[1] - now[0] >= (whole[1] - whole[0]) / 2
          ? on_seen(undefined)
          : show(scaled(now, whole, 2)),
    ],
    ["Move left", "←", seen === null, () => show(moved(now, whole, -0.5))],
    ["Move right", "→", seen === null, () => show(moved(now, whole, 0.5))],
  ];
  return (
    <fieldset className="flex flex-wrap items-center gap-1 text-xs">
      <legend className="sr-only">Part of the horizontal axis</legend>
      {acts.map(([label, sign, off, act]) => (
        <button
          key={label}
          type="button"
          aria-label={label}
          title={label}
          disabled={off}
          onClick={act}
          className="grid size-7 place-items-center rounded-md text-ink-2 ring-1 ring-line-strong ring-inset hover:bg-sunken disabled:text-ink-3 disabled:opacity-60"
        >
          {sign}
        </button>
      ))}
      {seen && (
        <>
          <span className="px-1 text-ink-2 tabular-nums" data-testid="seen">
            {place(seen[0], x)} to {place(seen[1], x)}
          </span>
          <Button look="quiet" onClick={() => on_seen(undefined)}>
            Show all
          </Button>
        </>
      )}
    </fieldset>
  );
}
