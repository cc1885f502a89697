// Shapes of experiments, runs and curves. JSON has no word for NaN and the infinities: they come as
// the strings "NaN", "Infinity" and "-Infinity" (lib/odd.ts reads them).
import type { Wire } from "../lib/odd";

export interface Experiment {
  experiment_id: string;
  name: string;
  lifecycle: "active" | "deleted";
  created_ms: number;
  updated_ms: number;
  tags: Record<string, string>;
  runs: number;
  running: number;
  last_start_ms: number | null;
}

export type RunStatus = "RUNNING" | "SCHEDULED" | "FINISHED" | "FAILED" | "KILLED";

interface RunHead {
  run_id: string;
  name: string;
  experiment_id: string;
  status: RunStatus;
  lifecycle: "active" | "deleted";
  user_id: string;
  author: string;
  start_ms: number;
  end_ms: number | null;
  params: Record<string, string>;
  tags: Record<string, string>;
}

export interface RunRow extends RunHead {
  metrics: Record<string, Wire>;
  has_children?: boolean; // When trees were asked for.
}

export interface GroupMetric {
  finite: number; // Whose min, mean and max follow.
  nan: number;
  above: number;
  below: number;
  min?: number;
  mean?: number;
  max?: number;
}

export interface RunGroup {
  id: string;
  kind: "text" | "below" | "stretch" | "above" | "nan" | "absent";
  text?: string;
  low?: number;
  high?: number;
  runs: number;
  metrics: Record<string, GroupMetric>;
}

export interface GroupPage {
  items: RunGroup[];
  groups: number;
  runs: number;
  next_page_token?: string;
}

export interface RunMetric {
  key: string;
  value: Wire;
  step: number;
  timestamp_ms: number;
}

export interface RunDetail extends RunHead {
  artifact_uri: string;
  metrics: RunMetric[];
  inputs: { name: string; digest: string; source_type: string; tags: Record<string, string> }[];
  model_outputs: { model_id: string; step: number }[];
}

export interface RunPage {
  items: RunRow[];
  next_page_token?: string;
  total?: number;
}

export interface RunKey {
  key: string;
  runs: number;
  differs: boolean;
}

export interface RunKeys {
  runs: number;
  whole: boolean;
  metrics: RunKey[];
  params: RunKey[];
  tags: RunKey[];
}

export interface CurveWire {
  run_id: string;
  key: string;
  points: number;
  x_min?: number;
  x_max?: number;
  x_first: number[];
  x_last: number[];
  n: number[];
  first: (number | null)[];
  min: (number | null)[];
  max: (number | null)[];
  last: (number | null)[];
  marks: { x: number; nan: number; above: number; below: number }[];
}

export interface Reproduction {
  uid: string;
  run_id: string;
  again_run_id: string;
  verdict: string;
  actor: string;
  created_ms: number;
}

export interface ArtifactFile {
  path: string;
  is_dir: boolean;
  file_size?: number | string;
}

export interface RunModelVersion {
  name: string;
  version: string;
}
