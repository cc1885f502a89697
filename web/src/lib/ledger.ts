// Ledger events as the console reads them: what they are about, and where that lives.
import type { LedgerEvent } from "../api/types";

export type Target =
  | { page: "model"; name: string; version?: number }
  | { page: "deployment"; name: string }
  | { page: "dataset"; name: string; version?: number };

function number_of(value: LedgerEvent["version"]): number | undefined {
  const n = Number(value);
  return value !== undefined && value !== "" && Number.isSafeInteger(n) && n > 0 ? n : undefined;
}

/** The page that shows an event's subject; null when no page does. */
export function target_of(event: Pick<LedgerEvent, "kind" | "name" | "version">): Target | null {
  if (!event.name) return null;
  const version = number_of(event.version);
  switch (event.kind) {
    case "model":
    case "registered_model":
      return { page: "model", name: event.name };
    case "model_version":
      return { page: "model", name: event.name, version };
    case "deployment":
    case "canary":
    case "monitor":
    case "alert":
      return { page: "deployment", name: event.name };
    case "dataset":
      return { page: "dataset", name: event.name };
    case "dataset_version":
      return { page: "dataset", name: event.name, version };
    default:
      return null;
  }
}

export function subject_of(event: Pick<LedgerEvent, "kind" | "name" | "version" | "uid">): string {
  const name = event.name || event.uid;
  const version = number_of(event.version);
  return version === undefined ? name : `${name} v${version}`;
}

/** Good and bad news stand out; everything else stays quiet. */
export function tone_of(
  event: Pick<LedgerEvent, "verb" | "decision">,
): "good" | "bad" | "warn" | "plain" {
  const text = `${event.verb} ${event.decision ?? ""}`;
  if (event.verb.endsWith(".resolved")) return "good";
  if (/roll(ed)?[_ ]?back|reject|fail|denied|deny/.test(text)) return "bad";
  if (/fire|alert|alarm|delete|abort/.test(text)) return "warn";
  if (/promot|approv|passed/.test(text)) return "good";
  return "plain";
}
