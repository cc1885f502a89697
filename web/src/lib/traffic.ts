// Live shares and rates from the deployment's running counters.
import type { Arm, Deployment } from "../api/types";

export interface Sample {
  t_ms: number;
  requests: Record<string, number>; // By arm key.
}

export const kWindow_ms = 30_000;

export const arm_key = (arm: Pick<Arm, "role" | "version">) => `${arm.role}:${arm.version}`;

export function sample_of(deployment: Pick<Deployment, "arms">, t_ms: number): Sample {
  return {
    t_ms,
    requests: Object.fromEntries(deployment.arms.map((a) => [arm_key(a), a.requests])),
  };
}

/** Appends a sample and forgets what is older than the window (one older sample stays as its edge). */
export function push_sample(samples: readonly Sample[], next: Sample): Sample[] {
  const edge = next.t_ms - kWindow_ms;
  const all = [...samples, next];
  let from = 0;
  while (from + 1 < all.length && (all[from + 1] as Sample).t_ms <= edge) from++;
  return all.slice(from);
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
