import { useEffect, useState } from "react";
import type { Deployment } from "../api/types";
import { duration_us, integer, percent } from "../lib/format";
import {
  arm_key,
  kWindow_ms,
  push_sample,
  type Sample,
  sample_of,
  traffic_now,
  trend_of,
} from "../lib/traffic";
import { ModelLink } from "../ui/domain";
import { Panel, Scroll } from "../ui/kit";
import { Ribbon, useWidth } from "../ui/ribbon";
import { arm_mark } from "./deployments";

/** Turns polled counters into rates: a sample for each answer. */
function useSamples(deployment: Deployment, at_ms: number): Sample[] {
  const [samples, set_samples] = useState<Sample[]>([]);
  useEffect(() => {
    set_samples((old) =>
      old.at(-1)?.t_ms === at_ms ? old : push_sample(old, sample_of(deployment, at_ms)),
    );
  }, [deployment, at_ms]);
  return samples;
}

const rate = (per_s: number) => (per_s >= 10 ? integer(per_s) : per_s.toFixed(1));

const kTrendHeight = 72;

/** Requests per second, arms stacked, from when this page was opened. */
function Trend({ samples, arms }: { samples: Sample[]; arms: Deployment["arms"] }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const points = trend_of(samples);
  const first = samples[0]?.t_ms ?? 0;
  const last = points.at(-1)?.t_ms ?? first;
  const sum = (p: (typeof points)[number]) => Object.values(p.per_s).reduce((a, b) => a + b, 0);
  const top = Math.max(1, ...points.map(sum));
  const x = (t: number) => ((t - first) / Math.max(1, last - first)) * width;
  const y = (v: number) => kTrendHeight - (v / top) * (kTrendHeight - 6);
  const bases = points.map(() => 0);
  const steps = arms.map((arm) => {
    const key = arm_key(arm);
    const upper = points.map((p, i) => {
      const from = i === 0 ? first : (points[i - 1]?.t_ms ?? first);
      const base = bases[i] ?? 0;
      bases[i] = base + (p.per_s[key] ?? 0);
      return { x0: x(from), x1: x(p.t_ms), y: y(bases[i] ?? 0), base: y(base) };
    });
    const over = upper.map((s) => `L${s.x0},${s.y} L${s.x1},${s.y}`).join(" ");
    const under = [...upper]
      .reverse()
      .map((s) => `L${s.x1},${s.base} L${s.x0},${s.base}`)
      .join(" ");
    return { arm, key, path: upper.length ? `M0,${kTrendHeight} ${over} ${under} Z` : "" };
  });
  return (
    <div className="border-line border-t px-4 pt-2 pb-3">
      <div className="label flex justify-between">
        <span>Requests/s since you opened this page</span>
        <span>peak {rate(points.length ? top : 0)}</span>
      </div>
      <div ref={ref}>
        {width > 0 && (
          <svg
            width={width}
            height={kTrendHeight}
            role="img"
            aria-label={`Requests per second, now ${rate(traffic_now(samples).total_per_s)}, peak ${rate(points.length ? top : 0)}`}
            className="block"
          >
            <line x2={width} y1={kTrendHeight - 0.5} y2={kTrendHeight - 0.5} stroke="var(--grid)" />
            {steps.map(({ arm, key, path }) => (
              <g key={key}>
                <path d={path} fill={`var(${arm_mark(arm.role)})`} opacity=".8" />
                {arm.role === "canary" && <path d={path} fill="url(#ribbon-hatch)" />}
              </g>
            ))}
          </svg>
        )}
      </div>
    </div>
  );
}

export function SplitPanel({ deployment, at_ms }: { deployment: Deployment; at_ms: number }) {
  const samples = useSamples(deployment, at_ms);
  const traffic = traffic_now(samples);
  const moving = traffic.total_per_s > 0;
  const arms = deployment.arms.map((arm) => {
    const live = traffic.arms[arm_key(arm)];
    return { arm, per_s: live?.per_s ?? 0, observed: live?.share ?? null };
  });
  const title = arms
    .map(({ arm, observed }) => `${arm.role} v${arm.version}: ${percent(observed ?? arm.weight)}`)
    .join(", ");
  return (
    <Panel
      title="Live split"
      note={
        moving
          ? `${rate(traffic.total_per_s)} requests/s, observed over the last ${kWindow_ms / 1_000} s`
          : "no traffic now: drawn as configured"
      }
      flush
    >
      <div className="px-4 pt-3">
        <Ribbon
          title={`Traffic split. ${title}`}
          moving={moving}
          arms={arms.map(({ arm, observed }) => ({
            key: arm_key(arm),
            label: `${arm.role} v${arm.version}`,
            share: moving && observed !== null ? observed : arm.weight,
            mark: arm_mark(arm.role),
            hatched: arm.role === "canary",
          }))}
        />
      </div>
      <Scroll label="Arms">
        <table className="grid-table">
          <thead>
            <tr>
              <th scope="col">Arm</th>
              <th scope="col">Version</th>
              <th scope="col" className="num">
                Weight
              </th>
              <th scope="col" className="num">
                Observed
              </th>
              <th scope="col" className="num">
                Req/s
              </th>
              <th scope="col" className="num">
                Requests
              </th>
              <th scope="col" className="num">
                Errors
              </th>
              <th scope="col" className="num">
                p50
              </th>
              <th scope="col" className="num">
                p99
              </th>
            </tr>
          </thead>
          <tbody>
            {arms.map(({ arm, per_s, observed }) => (
              <tr key={arm_key(arm)} data-testid={`arm-${arm.role}`}>
                <td>
                  <span className="flex items-center gap-2">
                    <svg width="12" height="12" aria-hidden="true">
                      <rect width="12" height="12" rx="3" fill={`var(${arm_mark(arm.role)})`} />
                      {arm.role === "canary" && (
                        <rect width="12" height="12" rx="3" fill="url(#ribbon-hatch)" />
                      )}
                    </svg>
                    {arm.role}
                  </span>
                </td>
                <td data-testid="version">
                  <ModelLink name={deployment.model} version={arm.version}>
                    v{arm.version}
                  </ModelLink>
                </td>
                <td className="num" data-testid="weight">
                  {percent(arm.weight)}
                </td>
                <td className="num text-ink-2">{percent(observed)}</td>
                <td className="num text-ink-2">{rate(per_s)}</td>
                <td className="num font-medium" data-testid="requests">
                  {integer(arm.requests)}
                </td>
                <td
                  className={`num ${arm.errors > 0 ? "font-medium text-bad" : ""}`}
                  data-testid="errors"
                >
                  {integer(arm.errors)}
                </td>
                <td className="num">{duration_us(arm.latency_us.p50)}</td>
                <td className="num">{duration_us(arm.latency_us.p99)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <Trend samples={samples} arms={deployment.arms} />
    </Panel>
  );
}
