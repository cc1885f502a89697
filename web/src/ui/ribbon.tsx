// Where requests go now: one trunk that splits into arms as thick as their share.
import { useEffect, useRef, useState } from "react";
import { percent } from "../lib/format";

export interface RibbonArm {
  key: string;
  label: string;
  share: number; // 0…1, observed when there is traffic, else configured.
  mark: string;
  hatched: boolean;
}

export function useWidth<T extends Element>(): [React.RefObject<T | null>, number] {
  const ref = useRef<T>(null);
  const [width, set_width] = useState(0);
  useEffect(() => {
    const node = ref.current;
    if (!node) return;
    const watch = new ResizeObserver(() => set_width(node.clientWidth));
    watch.observe(node);
    set_width(node.clientWidth);
    return () => watch.disconnect();
  }, []);
  return [ref, width];
}

const kHeight = 124;
const kTrunk = 60; // Thickness of the whole stream.
const kGap = 28;
const kThinnest = 2;
const kLabel = 112; // Room at the right for what each band is.

export function Ribbon({
  arms,
  moving,
  title,
}: {
  arms: RibbonArm[];
  moving: boolean;
  title: string;
}) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const top = (kHeight - kTrunk) / 2;
  const spread = kTrunk + kGap * (arms.length - 1);
  let from_y = top;
  let to_y = (kHeight - spread) / 2;
  const x0 = 6;
  const x1 = Math.max(60, width - kLabel);
  const xm = x0 + (x1 - x0) * 0.42;
  const bands = arms.map((arm) => {
    const thick = Math.max(kThinnest, arm.share * kTrunk);
    const band = { arm, thick, y0: from_y + thick / 2, y1: to_y + thick / 2 };
    from_y += thick;
    to_y += thick + kGap;
    return band;
  });
  return (
    <div ref={ref} className="min-w-0">
      {width > 0 && (
        <svg width={width} height={kHeight} role="img" aria-label={title} className="block">
          <defs>
            <pattern
              id="ribbon-hatch"
              width="7"
              height="7"
              patternUnits="userSpaceOnUse"
              patternTransform="rotate(45)"
            >
              <rect width="2.5" height="7" fill="var(--panel)" opacity=".38" />
            </pattern>
          </defs>
          {bands.map(({ arm, thick, y0, y1 }) => {
            const half = thick / 2;
            const c = xm + (x1 - xm) * 0.5;
            const shape =
              `M${x0},${y0 - half} L${xm},${y0 - half} C${c},${y0 - half} ${c},${y1 - half} ${x1},${y1 - half}` +
              ` L${x1},${y1 + half} C${c},${y1 + half} ${c},${y0 + half} ${xm},${y0 + half} L${x0},${y0 + half} Z`;
            const middle = `M${x0},${y0} L${xm},${y0} C${c},${y0} ${c},${y1} ${x1},${y1}`;
            return (
              <g key={arm.key}>
                <path d={shape} fill={`var(${arm.mark})`} opacity=".82" />
                {arm.hatched && <path d={shape} fill="url(#ribbon-hatch)" />}
                <text x={x1 + 10} y={y1 - 1} className="fill-ink text-xs" fontWeight="600">
                  {percent(arm.share)}
                </text>
                <text x={x1 + 10} y={y1 + 13} className="fill-ink-2 text-2xs">
                  {arm.label}
                </text>
                {moving && (
                  <path
                    d={middle}
                    fill="none"
                    stroke="var(--panel)"
                    strokeOpacity=".55"
                    strokeWidth="1.5"
                    strokeDasharray="3 21"
                    strokeLinecap="round"
                    className="flow"
                  />
                )}
              </g>
            );
          })}
        </svg>
      )}
    </div>
  );
}
