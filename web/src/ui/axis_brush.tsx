// The brush of one axis of parallel coordinates: drawn, moved and drawn out by mouse or finger, its two
// ends by keys. A click beside it takes it away.
import { type KeyboardEvent, type PointerEvent, useRef, useState } from "react";
import {
  type Axis,
  type Brush,
  brush_between,
  key_share,
  share_of,
  value_at_share,
} from "../lib/brush";
import { figure } from "../lib/odd";

const kWide = 36;
const kHandle = 24; // As high as a finger needs; what is seen of it is less.
const kClick_px = 3;

type Grip = "low" | "high" | "new" | "move";

interface Drag {
  grip: Grip;
  start: number; // Share of the axis where it began.
  from: number;
  to: number;
  moved: boolean;
}

export function AxisBrush({
  axis,
  brush,
  left,
  top,
  height,
  on_draft,
  on_cancel,
  on_brush,
}: {
  axis: Axis;
  brush: Brush | undefined;
  left: number; // Of the axis.
  top: number;
  height: number;
  on_draft: (brush: Brush | null) => void; // While it is drawn.
  on_cancel: () => void;
  on_brush: (brush: Brush | null) => void;
}) {
  const strip = useRef<HTMLDivElement>(null);
  const drag = useRef<Drag | null>(null);
  const [held, set_held] = useState(false);
  const [from, to] = brush ? [share_of(axis, brush.low), share_of(axis, brush.high)] : [0, 1];

  const share_at = (event: PointerEvent) => {
    const box = strip.current?.getBoundingClientRect();
    return box ? Math.min(1, Math.max(0, 1 - (event.clientY - box.top) / box.height)) : 0;
  };

  function grip_at(event: PointerEvent, share: number): Grip {
    const handle = (event.target as Element).closest("[data-grip]")?.getAttribute("data-grip");
    if (handle === "low" || handle === "high") return handle;
    return brush && share > from && share < to ? "move" : "new";
  }

  function span_of(d: Drag, share: number): [number, number] {
    if (d.grip === "low") return [Math.min(share, d.to), d.to];
    if (d.grip === "high") return [d.from, Math.max(share, d.from)];
    if (d.grip === "new") return [Math.min(d.start, share), Math.max(d.start, share)];
    const by = Math.min(1 - d.to, Math.max(-d.from, share - d.start));
    return [d.from + by, d.to + by];
  }

  function on_down(event: PointerEvent) {
    if (event.button !== 0) return;
    const start = share_at(event);
    drag.current = { grip: grip_at(event, start), start, from, to, moved: false };
    strip.current?.setPointerCapture(event.pointerId);
    set_held(true);
  }

  function on_move(event: PointerEvent) {
    const d = drag.current;
    if (!d) return;
    const share = share_at(event);
    if (Math.abs(share - d.start) * height >= kClick_px) d.moved = true;
    if (d.moved) on_draft(brush_between(axis, ...span_of(d, share)));
  }

  function on_up(event: PointerEvent) {
    const d = drag.current;
    if (!d) return;
    drag.current = null;
    set_held(false);
    if (d.moved) on_brush(brush_between(axis, ...span_of(d, share_at(event))));
    else if (d.grip === "new") on_brush(null);
  }

  function on_key(event: KeyboardEvent, end: "low" | "high") {
    if (event.key === "Delete" || event.key === "Backspace" || event.key === "Escape") {
      if (!brush) return;
      on_brush(null);
    } else {
      const next = key_share(event.key, end === "low" ? from : to);
      if (next === null) return;
      on_brush(
        end === "low"
          ? brush_between(axis, Math.min(next, to), to)
          : brush_between(axis, from, Math.max(next, from)),
      );
    }
    event.preventDefault();
  }

  const handle = (end: "low" | "high") => {
    const share = end === "low" ? from : to;
    const value = brush?.[end] ?? value_at_share(axis, share);
    return (
      <div
        data-grip={end}
        role="slider"
        tabIndex={0}
        aria-orientation="vertical"
        aria-label={`${axis.id}, ${end === "low" ? "lower" : "upper"} end of the brush`}
        aria-valuemin={axis.range[0]}
        aria-valuemax={axis.range[1]}
        aria-valuenow={value}
        aria-valuetext={figure(value)}
        onKeyDown={(event) => on_key(event, end)}
        className="absolute inset-x-0 flex cursor-ns-resize justify-center"
        style={{
          height: kHandle,
          top: (1 - share) * height - (end === "low" ? 0 : kHandle),
          alignItems: end === "low" ? "start" : "end",
        }}
      >
        <span
          className={`block h-1.5 w-5 rounded-full ${brush ? "bg-accent" : "bg-line-strong"}`}
        />
      </div>
    );
  };
  return (
    <div
      ref={strip}
      data-testid={`brush-${axis.id}`}
      className={`absolute touch-none ${held ? "cursor-ns-resize" : "cursor-crosshair"}`}
      style={{ left: left - kWide / 2, top, width: kWide, height }}
      onPointerDown={on_down}
      onPointerMove={on_move}
      onPointerUp={on_up}
      onPointerCancel={() => {
        drag.current = null;
        set_held(false);
        on_cancel();
      }}
    >
      {brush && (
        <div
          className="pointer-events-none absolute inset-x-3 rounded-sm border border-accent bg-accent/20"
          style={{ top: (1 - to) * height, height: Math.max(2, (to - from) * height) }}
        />
      )}
      {handle("low")}
      {handle("high")}
    </div>
  );
}
