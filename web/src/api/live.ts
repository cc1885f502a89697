// Live updates. One event stream per browser: the tab that holds the Web Lock reads it and tells the
// others by BroadcastChannel, because HTTP/1.1 grants an origin six connections and no more.
// The stream is read with fetch, not EventSource, so that a bearer token can travel in a header.
import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { api_url, auth_headers, base_path, call } from "./client";
import { SseParser } from "./sse";
import type { LedgerEvent, Page } from "./types";

export type LiveState = "connecting" | "live" | "polling" | "offline";

export interface Invalidate {
  type: "invalidate";
  key: string[];
  rev: number;
}

const kBatch_ms = 150;
const kPoll_ms = 5_000;
const kSilence_ms = 45_000; // Three missed heartbeats.
const kBackoffMax_ms = 15_000;

let state: LiveState = "connecting";
let last_good_ms = Date.now(); // When the server was last known to answer.
const listeners = new Set<() => void>();

function set_state(next: LiveState): void {
  if (next === state) return;
  if (next === "live" || next === "polling" || next === "connecting") last_good_ms = Date.now();
  if (state === "live" || state === "polling") last_good_ms = Date.now();
  state = next;
  for (const tell of listeners) tell();
}

export function useLiveState(): LiveState {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => state,
  );
}

/** Since when what is shown may be out of date; meaningful while offline. */
export function stale_since_ms(): number {
  return last_good_ms;
}

/** Which query keys an event makes stale: its subject's family, and what every event touches. */
export function stale_keys(project: string, event: Pick<Invalidate, "key">): string[][] {
  const family = event.key[0];
  const keys = [[project, "ledger"]];
  if (!family || family === "ledger") return keys;
  keys.push([project, family]);
  if (family === "monitor" || family === "labels") keys.push([project, "deployments"]);
  if (family === "runs") keys.push([project, "experiments"]);
  if (family !== "alerts") keys.push([project, "alerts"]);
  return keys;
}

export function parse_invalidate(data: string): Invalidate | null {
  try {
    const value = JSON.parse(data) as Partial<Invalidate>;
    if (value.type !== "invalidate" || !Array.isArray(value.key)) return null;
    return { type: "invalidate", key: value.key.map(String), rev: Number(value.rev ?? 0) };
  } catch {
    return null;
  }
}

/** Gathers events for a moment, then invalidates each key once. */
function batcher(client: QueryClient, project: string): (event: Invalidate) => void {
  const pending = new Map<string, string[]>();
  const flush = () => {
    for (const key of pending.values()) void client.invalidateQueries({ queryKey: key });
    pending.clear();
  };
  return (event) => {
    if (pending.size === 0) setTimeout(flush, kBatch_ms);
    for (const key of stale_keys(project, event)) pending.set(key.join("\n"), key);
  };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Reads the stream until it ends; returns the last event id seen. */
async function read_stream(
  project: string,
  last_id: string,
  signal: AbortSignal,
  on_event: (event: Invalidate) => void,
  on_open: () => void,
): Promise<string> {
  const silence = new AbortController();
  const stop = () => silence.abort();
  signal.addEventListener("abort", stop);
  let watchdog = setTimeout(stop, kSilence_ms);
  let id = last_id;
  try {
    const response = await fetch(api_url(project, "/events"), {
      headers: {
        Accept: "text/event-stream",
        ...auth_headers(),
        ...(last_id ? { "Last-Event-ID": last_id } : {}),
      },
      signal: silence.signal,
      cache: "no-store",
    });
    if (!response.ok || !response.body) return id;
    on_open();
    const parser = new SseParser((event) => {
      if (event.id) id = event.id;
      const known = parse_invalidate(event.data);
      if (known) on_event(known);
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return id;
      clearTimeout(watchdog);
      watchdog = setTimeout(stop, kSilence_ms);
      parser.feed(value);
    }
  } catch {
    return id; // Network trouble: the caller waits and tries again from `id`.
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener("abort", stop);
  }
}

type Wire =
  | { kind: "event"; event: Invalidate }
  | { kind: "state"; state: LiveState }
  | { kind: "ask" };

async function lead(
  project: string,
  signal: AbortSignal,
  publish: (event: Invalidate) => void,
  tell_state: (state: LiveState) => void,
): Promise<void> {
  let last_id = "";
  let backoff_ms = 500;
  while (!signal.aborted) {
    last_id = await read_stream(project, last_id, signal, publish, () => {
      backoff_ms = 500;
      tell_state("live");
    });
    if (signal.aborted) return;
    tell_state("offline");
    await sleep(backoff_ms, signal);
    backoff_ms = Math.min(backoff_ms * 2, kBackoffMax_ms);
  }
}

/** Without Web Locks (plain HTTP off loopback): ask for the ledger's head, refetch when it moved. */
async function poll(
  project: string,
  signal: AbortSignal,
  publish: (event: Invalidate) => void,
): Promise<void> {
  let head = -1;
  while (!signal.aborted) {
    try {
      const page = await call<Page<LedgerEvent>>(project, "/ledger?order=desc&limit=1", { signal });
      const seq = page.items[0]?.seq ?? 0;
      if (head >= 0 && seq !== head) {
        for (const family of [
          "models",
          "deployments",
          "datasets",
          "features",
          "runs",
          "experiments",
        ]) {
          publish({ type: "invalidate", key: [family], rev: seq });
        }
      }
      head = seq;
      set_state("polling");
    } catch {
      set_state("offline");
    }
    await sleep(kPoll_ms, signal);
  }
}

/** Starts live updates for a project; the returned function stops them. */
export function start_live(client: QueryClient, project: string): () => void {
  const stop = new AbortController();
  const apply = batcher(client, project);
  if (!("locks" in navigator) || typeof BroadcastChannel === "undefined") {
    void poll(project, stop.signal, apply);
    return () => stop.abort();
  }
  const name = `slipway.live:${base_path}:${project}`;
  const channel = new BroadcastChannel(name);
  let leading = false;
  channel.onmessage = ({ data }: MessageEvent<Wire>) => {
    if (data.kind === "event") apply(data.event);
    else if (data.kind === "state" && !leading) set_state(data.state);
    else if (data.kind === "ask" && leading) channel.postMessage({ kind: "state", state });
  };
  channel.postMessage({ kind: "ask" } satisfies Wire);
  navigator.locks
    .request(name, { signal: stop.signal }, async () => {
      leading = true;
      await lead(
        project,
        stop.signal,
        (event) => {
          apply(event);
          channel.postMessage({ kind: "event", event } satisfies Wire);
        },
        (next) => {
          set_state(next);
          channel.postMessage({ kind: "state", state: next } satisfies Wire);
        },
      );
    })
    .catch(() => undefined); // Aborted while waiting for the lock.
  return () => {
    stop.abort();
    channel.close();
  };
}
