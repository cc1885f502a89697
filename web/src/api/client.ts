// Talks to the server that served this page. Every path is below the injected <base href>, so the
// console works behind a reverse proxy's prefix.

export interface ConsoleConfig {
  project?: string;
  version?: string;
}

function read_config(): ConsoleConfig {
  const meta = document.querySelector<HTMLMetaElement>('meta[name="slipway-config"]');
  try {
    return meta?.content ? (JSON.parse(meta.content) as ConsoleConfig) : {};
  } catch {
    return {};
  }
}

export const config = read_config();

/** Path of the injected base without its last slash: "" or "/team-a/slipway". */
export const base_path = new URL(document.baseURI).pathname.replace(/\/[^/]*$/, "");

/** `default` is the server's default project, so its URLs stay short. */
export function api_url(project: string, path: string): string {
  const prefix = project === "default" ? "" : `/~${encodeURIComponent(project)}`;
  return `${base_path}${prefix}/api/slipway/v1${path}`;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    text: string,
    readonly hint: string | undefined,
    readonly trace_id: string | undefined,
  ) {
    super(text);
    this.name = "ApiError";
  }
}

const kTokenKey = "slipway.token";

/** A token lives in this tab only, and never in a URL. */
export function token(): string | null {
  try {
    return sessionStorage.getItem(kTokenKey);
  } catch {
    return null;
  }
}

export function set_token(value: string | null): void {
  try {
    if (value) sessionStorage.setItem(kTokenKey, value);
    else sessionStorage.removeItem(kTokenKey);
  } catch {
    // Storage can be forbidden; the page then works without credentials only.
  }
}

export function auth_headers(): Record<string, string> {
  const value = token();
  return value ? { Authorization: `Bearer ${value}` } : {};
}

interface Problem {
  title?: string;
  detail?: string;
  code?: string;
  hint?: string;
  trace_id?: string;
}

export async function problem_of(response: Response): Promise<ApiError> {
  let problem: Problem = {};
  try {
    problem = (await response.json()) as Problem;
  } catch {
    // A proxy may answer with HTML; the status alone must then do.
  }
  const text = problem.detail ?? problem.title ?? `The server answered ${response.status}`;
  return new ApiError(
    response.status,
    problem.code ?? `http_${response.status}`,
    text,
    problem.hint,
    problem.trace_id,
  );
}

/** The id that makes a repeated click harmless. `randomUUID` is missing outside secure contexts. */
export function idempotency_key(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

interface CallOptions {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: unknown;
  signal?: AbortSignal;
}

export async function call<T>(
  project: string,
  path: string,
  options: CallOptions = {},
): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json", ...auth_headers() };
  const method = options.method ?? "GET";
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["Idempotency-Key"] = idempotency_key();
  let response: Response;
  try {
    response = await fetch(api_url(project, path), {
      method,
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
    });
  } catch (cause) {
    if (options.signal?.aborted) throw cause;
    throw new ApiError(0, "unreachable", "The server can't be reached", undefined, undefined);
  }
  if (!response.ok) throw await problem_of(response);
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

/** A file that only its reader may have: fetched with the caller's token, then handed over. */
export async function save_as(address: string, name: string): Promise<void> {
  const response = await fetch(address, { headers: auth_headers() });
  if (!response.ok) throw await problem_of(response);
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1_000);
}

/** `{a: 1, b: undefined}` → `?a=1`; nothing → "". */
export function query(values: Record<string, string | number | undefined | null>): string {
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== "") out.set(key, String(value));
  }
  const text = out.toString();
  return text ? `?${text}` : "";
}
