// Shapes of `/api/slipway/v1`. Names are the server's own; `_ms` and `_us` are integers since 1970.

export interface Page<T> {
  items: T[];
  next_page_token?: string;
}

export interface GateCheck {
  name: string;
  kind: "floor" | "champion";
  metric: string;
  value?: number | null; // Missing: the run never logged it.
  threshold?: number | null;
  champion_version?: number | null;
  champion_value?: number | null;
  passed: boolean;
  detail: string;
}

export interface Gate {
  passed: boolean;
  evaluated_ms: number;
  checks: GateCheck[];
}

export interface Approval {
  actor: string;
  decision: "approved" | "rejected";
  comment?: string;
  created_ms: number;
  digest?: string;
}

export type Stage = "None" | "Staging" | "Production" | "Archived";

export interface ModelVersion {
  model: string;
  version: number;
  uid: string;
  stage: Stage;
  status: string;
  run_id?: string | null;
  source?: string;
  digest?: string | null;
  created_ms: number;
  created_by: string;
  description?: string | null;
  aliases: string[];
  tags: Record<string, string>;
  gate: Gate | null;
  approvals: Approval[];
}

export interface ModelSummary {
  name: string;
  description?: string | null;
  versions_count: number;
  latest_version: number | null;
  aliases: Record<string, number>;
  stages: Partial<Record<Stage, number>>;
  created_ms: number;
  updated_ms: number;
  deployments: string[];
}

export interface ModelDetail extends ModelSummary {
  versions: ModelVersion[];
}

export interface Arm {
  role: "stable" | "canary";
  version: number;
  weight: number;
  requests: number;
  errors: number;
  latency_us: { p50: number | null; p99: number | null };
}

export interface Verdict {
  decision: string;
  n: number;
  e_value: number | null;
  threshold: number;
  data_digest?: string;
  reason: string;
  errors?: { stable: number; canary: number };
  expected_share?: number | null; // Of the errors, were both arms equally good.
  observed_share?: number | null;
}

export interface Canary {
  version?: number;
  weight?: number;
  guard?: { kind: string; alpha: number };
  state: "running" | "promoted" | "rolled_back";
  started_ms: number;
  ended_ms?: number | null;
  verdict?: Verdict | null;
}

export interface Deployment {
  name: string;
  uid?: string;
  model: string;
  target?: string; // "3", "@champion", "stage:Production".
  previous_version?: number;
  state: "READY" | "LOADING" | "FAILED";
  error?: string | null;
  arms: Arm[];
  canary?: Canary | null;
  updated_ms: number;
}

export interface DriftFeature {
  name: string;
  psi: number | null;
  js: number | null;
  threshold: number | null; // Of PSI.
  js_threshold?: number | null;
  alarm: boolean;
}

export interface DriftWindow {
  window: number;
  start_us: number;
  end_us: number;
  n: number;
  model_versions: number[];
  confidence_mean: number | null;
  features: DriftFeature[];
  closed?: boolean; // False: still filling.
  alarm: boolean;
}

export interface VersionScore {
  n: number;
  accuracy: number | null;
}

export interface PerformanceWindow {
  window: number;
  start_us: number;
  end_us: number;
  n_labeled: number;
  accuracy: number | null;
  by_version: Record<string, VersionScore>;
}

export interface Performance {
  items: PerformanceWindow[];
  overall?: {
    n_labeled?: number;
    n?: number;
    accuracy?: number | null;
    by_version?: Record<string, VersionScore>;
  } | null;
}

export interface Alert {
  id: string;
  deployment: string;
  kind: "drift" | "performance" | "canary";
  feature?: string | null;
  value: number | null;
  threshold: number | null;
  window: number | null;
  fired_us: number;
  resolved_us?: number | null;
  event_seq?: number;
}

export interface DatasetField {
  name: string;
  type: string;
  nullable: boolean;
}

export interface DatasetVersion {
  name: string;
  version: number;
  uid: string;
  digest: string;
  parent_version?: number | null;
  format: string;
  rows: number;
  bytes: number;
  schema: DatasetField[];
  message?: string | null;
  created_ms: number;
  created_by: string;
}

export interface DatasetSummary extends Partial<DatasetVersion> {
  name: string;
  versions_count?: number;
  latest_version?: number;
}

export interface LedgerEvent {
  seq: number;
  ts_us: number;
  id: string;
  actor: string;
  actor_kind?: string;
  verb: string;
  kind: string;
  uid: string;
  name?: string;
  version?: number | string;
  object_digest?: string;
  before_digest?: string;
  after_digest?: string;
  decision?: string;
  reason?: string;
  request_id?: string;
  trace_id?: string;
  body?: unknown;
}

export interface ServerStatus {
  version: string;
  git: string;
  uptime_ms: number;
  data_dir: string;
  db: string;
  auth: boolean;
  models_loaded: number;
  rss_bytes: number;
  budget?: Record<string, unknown>;
}

export interface WhoAmI {
  principal: string;
  kind: string;
  roles: (string | { role: string })[];
}
