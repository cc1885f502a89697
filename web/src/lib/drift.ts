// Drift windows turned round: the server sends features per window, the page draws windows per feature.
import type { DriftFeature, DriftWindow } from "../api/types";

export type Measure = "psi" | "js";

export interface FeatureSeries {
  name: string;
  values: (number | null)[]; // One per window; null where the window lacks the feature.
  alarms: boolean[];
  thresholds: (number | null)[]; // One per window: chance allows small windows more.
  threshold: number | null; // The newest one.
  latest: number | null;
}

export function threshold_of(feature: DriftFeature, measure: Measure): number | null {
  return (measure === "psi" ? feature.threshold : feature.js_threshold) ?? null;
}

/** Windows that are judged; one that still fills has no distances yet. */
export function judged(windows: readonly DriftWindow[]): DriftWindow[] {
  return windows.filter((w) => w.closed !== false);
}

export function by_feature(windows: readonly DriftWindow[], measure: Measure): FeatureSeries[] {
  const series = new Map<string, FeatureSeries>();
  windows.forEach((window, at) => {
    for (const feature of window.features) {
      let row = series.get(feature.name);
      if (!row) {
        row = {
          name: feature.name,
          values: new Array(windows.length).fill(null),
          alarms: new Array(windows.length).fill(false),
          thresholds: new Array(windows.length).fill(null),
          threshold: null,
          latest: null,
        };
        series.set(feature.name, row);
      }
      row.values[at] = feature[measure];
      row.alarms[at] = feature.alarm;
      row.thresholds[at] = threshold_of(feature, measure);
      row.threshold = row.thresholds[at] ?? row.threshold;
      row.latest = feature[measure] ?? row.latest;
    }
  });
  return [...series.values()];
}

/** Numbers instead of times, where windows follow each other faster than a clock's seconds. */
export function window_names(
  windows: readonly { window: number; start_us: number }[],
): string[] | undefined {
  const first = windows[0];
  const last = windows.at(-1);
  if (!first || !last || windows.length < 2) return undefined;
  const step_us = (last.start_us - first.start_us) / (windows.length - 1);
  return step_us < 2_000_000 ? windows.map((w) => `#${w.window}`) : undefined;
}

/** Places where the set of versions that answered changes: [window index, "v1 → v2"]. */
export function version_changes(windows: readonly DriftWindow[]): { at: number; label: string }[] {
  const name = (w: DriftWindow) =>
    [...w.model_versions]
      .sort((a, b) => a - b)
      .map((v) => `v${v}`)
      .join("+");
  const out: { at: number; label: string }[] = [];
  for (let i = 1; i < windows.length; i++) {
    const before = windows[i - 1];
    const now = windows[i];
    if (before && now && name(before) !== name(now)) out.push({ at: i, label: name(now) });
  }
  return out;
}
