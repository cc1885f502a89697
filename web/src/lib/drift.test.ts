import { expect, test } from "vitest";
import type { DriftWindow } from "../api/types";
import { by_feature, judged, threshold_of, version_changes, window_names } from "./drift";

function window(at: number, versions: number[], psi: Record<string, number | null>): DriftWindow {
  return {
    window: at,
    start_us: at * 10,
    end_us: at * 10 + 10,
    n: 100,
    model_versions: versions,
    confidence_mean: 0.5,
    alarm: false,
    features: Object.entries(psi).map(([name, value]) => ({
      name,
      psi: value,
      js: value === null ? null : value / 2,
      threshold: 0.2,
      alarm: (value ?? 0) > 0.2,
    })),
  };
}

test("features become series, with gaps where a window lacks one", () => {
  const windows = [
    window(0, [1], { a: 0.1 }),
    window(1, [1], { a: 0.3, b: null }),
    window(2, [2, 1], { b: 0.05 }),
  ];
  expect(by_feature(windows, "psi")).toEqual([
    {
      name: "a",
      values: [0.1, 0.3, null],
      alarms: [false, true, false],
      thresholds: [0.2, 0.2, null],
      threshold: 0.2,
      latest: 0.3,
    },
    {
      name: "b",
      values: [null, null, 0.05],
      alarms: [false, false, false],
      thresholds: [null, 0.2, 0.2],
      threshold: 0.2,
      latest: 0.05,
    },
  ]);
  expect(by_feature(windows, "js")[0]?.values).toEqual([0.05, 0.15, null]);
  expect(by_feature([], "psi")).toEqual([]);
});

test("each measure has its threshold", () => {
  const feature = { name: "a", psi: 1, js: 1, threshold: 0.2, alarm: false };
  expect([threshold_of(feature, "psi"), threshold_of(feature, "js")]).toEqual([0.2, null]);
  const both = { ...feature, js_threshold: 0.1 };
  expect([threshold_of(both, "psi"), threshold_of(both, "js")]).toEqual([0.2, 0.1]);
  expect(threshold_of({ ...feature, threshold: null }, "psi")).toBeNull();
});

test("a window that still fills isn't judged", () => {
  const open = { ...window(1, [1], {}), closed: false };
  expect(judged([window(0, [1], {}), open]).map((w) => w.window)).toEqual([0]);
});

test("versions that changed are marked once, whatever their order", () => {
  const windows = [
    window(0, [1], {}),
    window(1, [1, 2], {}),
    window(2, [2, 1], {}),
    window(3, [2], {}),
  ];
  expect(version_changes(windows)).toEqual([
    { at: 1, label: "v1+v2" },
    { at: 3, label: "v2" },
  ]);
});

test("fast windows go by their numbers", () => {
  const every = (step_us: number) =>
    [0, 1, 2].map((i) => ({ window: i + 5, start_us: i * step_us }));
  expect(window_names(every(100_000))).toEqual(["#5", "#6", "#7"]);
  expect(window_names(every(60_000_000))).toBeUndefined();
  expect(window_names([])).toBeUndefined();
});
