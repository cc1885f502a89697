// Live shares and rates from the deployment's running counters.
import type { Arm, Deployment } from "../api/types";

export interface Sample {
  t_ms: number;
  requests: Record<string, number>; // By arm key.
}

export const kWindow_ms = 30_000; // Rates and shares are taken over this.
export const kKept_ms = 180_000; // The trend goes back this far.

export const arm_key = (arm: Pick<Arm, "role" | "version">) => `${arm.role}:${arm.version}`;

export function sample_of(deployment: Pick<Deployment, "arms">, t_ms: number): Sample {
  return {
    t_ms,
    requests: Object.fromEntries(deployment.arms.map((a) => [arm_key(a), a.requests])),
  };
}

/** The samples since `edge_ms`, and one older as their edge. */
export function since(samples: readonly Sample[], edge_ms: number): Sample[] {
  let from = 0;
  while (from + 1 < samples.length && (samples[from + 1] as Sample).t_ms <= edge_ms) from++;
  return samples.slice(from);
}

export function push_sample(samples: readonly Sample[], next: Sample): Sample[] {
  return since([...samples, next], next.t_ms - kKept_ms);
}

/** Rates over the last window. */
export function traffic_now(samples: readonly Sample[]): Traffic {
  const last = samples.at(-1);
  return traffic_of(last ? since(samples, last.t_ms - kWindow_ms) : []);
}

export interface RatePoint {
  t_ms: number;
  per_s: Record<string, number>;
}

/** One rate per arm for each step between samples. */
export function trend_of(samples: readonly Sample[]): RatePoint[] {
  return samples.slice(1).map((sample, i) => {
    const { arms } = traffic_of([samples[i] as Sample, sample]);
    return {
      t_ms: sample.t_ms,
      per_s: Object.fromEntries(Object.entries(arms).map(([key, arm]) => [key, arm.per_s])),
    };
  });
}

export interface Traffic {
  total_per_s: number;
  arms: Record<string, { per_s: number; share: number | null }>;
}

/** Rates over the samples' span. A counter that fell (restart, new arm) counts from zero. */
export function traffic_of(samples: readonly Sample[]): Traffic {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last || last.t_ms <= first.t_ms) return { total_per_s: 0, arms: {} };
  const seconds = (last.t_ms - first.t_ms) / 1_000;
  const deltas = Object.entries(last.requests).map(([key, now]) => {
    const before = first.requests[key] ?? 0;
    return [key, now >= before ? now - before : now] as const;
  });
  const total = deltas.reduce((sum, [, d]) => sum + d, 0);
  return {
    total_per_s: total / seconds,
    arms: Object.fromEntries(
      deltas.map(([key, d]) => [key, { per_s: d / seconds, share: total > 0 ? d / total : null }]),
    ),
  };
}
