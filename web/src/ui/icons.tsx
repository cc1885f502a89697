// A dozen drawn by hand on a 16-pixel grid: cheaper than any icon package, and one stroke weight.
import type { ReactNode } from "react";

const kPaths = {
  overview: <path d="M2.5 9.5 5 7l2.5 3L11 4.5l2.5 3M2.5 13.5h11" />,
  models: <path d="M8 1.8 13.5 5v6L8 14.2 2.5 11V5zM2.5 5 8 8.2 13.5 5M8 8.2v6" />,
  deployments: (
    <path d="M2 4.5h4c3 0 2.5 7 6 7h2M2 11.5h4c1.2 0 1.9-.9 2.4-2M12 9.5l2 2-2 2M9 6c.6-.9 1.5-1.5 3-1.5h2M12 2.5l2 2-2 2" />
  ),
  datasets: (
    <>
      <ellipse cx="8" cy="3.8" rx="5.2" ry="2" />
      <path d="M2.8 3.8v8.4c0 1.1 2.3 2 5.2 2s5.2-.9 5.2-2V3.8M2.8 8c0 1.1 2.3 2 5.2 2s5.2-.9 5.2-2" />
    </>
  ),
  features: (
    <path d="M2.5 3.5h4v4h-4zM9.5 3.5h4v4h-4zM6.5 5.5h3M4.5 7.5v2.2L8 12.5l3.5-2.8V7.5M8 12.5v2" />
  ),
  ledger: <path d="M4 2.5h8.5v11H4zM2.5 5H5M2.5 8H5M2.5 11H5M7 5.5h3.5M7 8h3.5M7 10.5h2" />,
  check: <path d="m3 8.5 3.2 3.2L13 4.8" />,
  cross: <path d="m4 4 8 8M12 4l-8 8" />,
  warn: <path d="M8 2.2 14.3 13H1.7zM8 6.5v3M8 11.2v.1" />,
  copy: <path d="M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1" />,
  sun: (
    <>
      <circle cx="8" cy="8" r="2.8" />
      <path d="M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9" />
    </>
  ),
  moon: <path d="M13.3 9.6A5.8 5.8 0 0 1 6.4 2.7a5.8 5.8 0 1 0 6.9 6.9z" />,
  screen: <path d="M2 3h12v8H2zM6 13.5h4M8 11v2.5" />,
  user: (
    <>
      <circle cx="8" cy="5.2" r="2.7" />
      <path d="M2.8 13.7c.6-2.8 2.6-4 5.2-4s4.6 1.2 5.2 4" />
    </>
  ),
  back: <path d="M6 3.5 2.5 7 6 10.5M2.5 7H10a3.5 3.5 0 0 1 0 7H7.5" />,
  up: <path d="M8 13.5v-11M3.5 7 8 2.5 12.5 7" />,
  right: <path d="m6 3.5 4.5 4.5L6 12.5" />,
  down: <path d="M3.5 6 8 10.5 12.5 6" />,
  left: <path d="M10 3.5 5.5 8l4.5 4.5" />,
  download: <path d="M8 2.5v8M4.5 7.5 8 11l3.5-3.5M2.5 13.5h11" />,
  table: <path d="M2.5 3h11v10h-11zM2.5 6.5h11M2.5 9.8h11M6.5 6.5V13" />,
  chart: <path d="M2.5 2.5v11h11M5 10.5l2.5-3 2 1.5L13 4.5" />,
  shield: <path d="M8 1.8 13 3.5v4c0 3.3-2 5.6-5 6.7-3-1.1-5-3.4-5-6.7v-4z" />,
  clock: (
    <>
      <circle cx="8" cy="8" r="5.8" />
      <path d="M8 4.8V8l2.2 1.5" />
    </>
  ),
  menu: <path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof kPaths;

export function Icon({
  name,
  size = 16,
  className,
}: {
  name: IconName;
  size?: number;
  className?: string;
}) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      className={`shrink-0 ${className ?? ""}`}
    >
      {kPaths[name]}
    </svg>
  );
}

export function Logo({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" className="shrink-0">
      <rect width="32" height="32" rx="8" fill="#0b5a8f" />
      <path d="M6 21.5 26 13v4.2L6 25.7z" fill="#fff" opacity=".45" />
      <path d="M9 9h14l-2.2 5.3L11.4 18z" fill="#fff" />
    </svg>
  );
}
