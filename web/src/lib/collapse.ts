// Neighbouring events that say the same thing about the same subject become one line with a count.
import type { LedgerEvent } from "../api/types";

export interface EventRun {
  first: LedgerEvent; // The newest of the run, when events come newest first.
  count: number;
}

export function collapse(events: readonly LedgerEvent[]): EventRun[] {
  const runs: EventRun[] = [];
  for (const event of events) {
    const run = runs.at(-1);
    const same =
      run?.first.verb === event.verb &&
      run.first.kind === event.kind &&
      run.first.actor === event.actor &&
      (run.first.name ?? run.first.uid) === (event.name ?? event.uid) &&
      String(run.first.version ?? "") === String(event.version ?? "");
    if (run && same) run.count++;
    else runs.push({ first: event, count: 1 });
  }
  return runs;
}
