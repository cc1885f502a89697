// Small pictures that stand inside text: a split bar, a spark line, a meter against a limit.

export function SplitBar({
  parts,
  label,
}: {
  parts: { key: string; share: number; mark: string; hatched?: boolean }[];
  label: string;
}) {
  return (
    <svg
      viewBox="0 0 100 8"
      preserveAspectRatio="none"
      className="h-2 w-full overflow-hidden rounded-full bg-sunken"
      role="img"
      aria-label={label}
    >
      <defs>
        <pattern id="split-hatch" width="2" height="8" patternUnits="userSpaceOnUse">
          <rect width="1" height="8" fill="var(--panel)" opacity=".45" />
        </pattern>
      </defs>
      {parts.map((part, i) => {
        const x = parts.slice(0, i).reduce((sum, p) => sum + p.share, 0) * 100;
        const width = Math.max(0, part.share * 100 - (i < parts.length - 1 ? 0.5 : 0));
        return (
          <g key={part.key}>
            <rect x={x} width={width} height="8" fill={`var(${part.mark})`} />
            {part.hatched && <rect x={x} width={width} height="8" fill="url(#split-hatch)" />}
          </g>
        );
      })}
    </svg>
  );
}

export function Spark({
  values,
  threshold,
  label,
  width = 96,
  height = 24,
}: {
  values: (number | null)[];
  threshold?: number | null;
  label: string;
  width?: number;
  height?: number;
}) {
  const known = values.filter((v): v is number => v !== null && Number.isFinite(v));
  const top = Math.max(...known, threshold ?? 0, 1e-9) * 1.1;
  const x = (i: number) =>
    values.length < 2 ? width / 2 : (i / (values.length - 1)) * (width - 4) + 2;
  const y = (v: number) => height - 2 - (v / top) * (height - 4);
  let pen_down = false;
  const path = values
    .map((v, i) => {
      if (v === null || !Number.isFinite(v)) {
        pen_down = false;
        return "";
      }
      const step = `${pen_down ? "L" : "M"}${x(i).toFixed(1)},${y(v).toFixed(1)}`;
      pen_down = true;
      return step;
    })
    .join("");
  const last = values.at(-1);
  const over = threshold != null && last != null && last > threshold;
  return (
    <svg width={width} height={height} role="img" aria-label={label} className="block">
      {threshold != null && (
        <line
          x1="0"
          x2={width}
          y1={y(threshold)}
          y2={y(threshold)}
          stroke="var(--mark-red)"
          strokeDasharray="3 3"
          opacity=".7"
        />
      )}
      <path
        d={path}
        fill="none"
        stroke="var(--mark-blue)"
        strokeWidth="1.5"
        strokeLinejoin="round"
      />
      {last != null && Number.isFinite(last) && (
        <circle
          cx={x(values.length - 1)}
          cy={y(last)}
          r="2.5"
          fill={over ? "var(--mark-red)" : "var(--mark-blue)"}
        />
      )}
    </svg>
  );
}

/** A value on a line with its limit: gate checks, e-values. Positions are 0…1. */
export function Meter({
  at,
  limit,
  good,
  label,
}: {
  at: number;
  limit: number | null;
  good: boolean;
  label: string;
}) {
  const clamp = (v: number) => Math.min(1, Math.max(0, v));
  return (
    <svg
      viewBox="0 0 100 10"
      preserveAspectRatio="none"
      className="h-2.5 w-full"
      role="img"
      aria-label={label}
    >
      <rect y="3" width="100" height="4" rx="2" fill="var(--grid)" />
      <rect
        y="3"
        width={clamp(at) * 100}
        height="4"
        rx="2"
        fill={good ? "var(--mark-green)" : "var(--mark-red)"}
      />
      {limit !== null && (
        <rect x={Math.min(99, clamp(limit) * 100)} width="1" height="10" fill="var(--ink)" />
      )}
    </svg>
  );
}
