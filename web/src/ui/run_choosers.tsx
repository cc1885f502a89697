// Dialogs over the table of runs: which columns it shows, and what its runs are grouped by.
import { useState } from "react";
import { integer, plural } from "../lib/format";
import type { RunColumn } from "../lib/run_table";
import { Dialog } from "./dialog";
import { Button } from "./kit";

const kListedMax = 300;
const kBuckets = [5, 10, 20, 50, 100];
export const kBucketsAtFirst = 10; // As the server's.

function Finder({
  label,
  word,
  on_word,
}: {
  label: string;
  word: string;
  on_word: (word: string) => void;
}) {
  return (
    <input
      aria-label={label}
      placeholder={label}
      value={word}
      onChange={(event) => on_word(event.target.value)}
      className="h-8 rounded-lg border border-line-strong bg-panel px-3 text-sm placeholder:text-ink-3"
    />
  );
}

const found_in = (all: readonly RunColumn[], word: string) =>
  all.filter((c) => c.id.toLowerCase().includes(word.toLowerCase()));

function Left({ count }: { count: number }) {
  if (count <= kListedMax) return null;
  return (
    <p className="text-ink-3 text-xs">{integer(count - kListedMax)} more: type to find them.</p>
  );
}

export function ColumnChooser({
  all,
  shown,
  on_apply,
  on_close,
}: {
  all: RunColumn[];
  shown: RunColumn[];
  on_apply: (ids: string[]) => void;
  on_close: () => void;
}) {
  const [chosen, set_chosen] = useState(shown.map((c) => c.id));
  const [word, set_word] = useState("");
  const found = found_in(all, word);
  return (
    <Dialog title="Columns" on_close={on_close}>
      <div className="flex flex-col gap-3">
        <Finder label="Find a column" word={word} on_word={set_word} />
        <fieldset className="max-h-72 overflow-auto rounded-lg border border-line p-1">
          <legend className="sr-only">Columns to show</legend>
          {found.slice(0, kListedMax).map((c) => (
            <label
              key={c.id}
              className="flex cursor-pointer items-center gap-2 rounded px-2 py-1 text-sm hover:bg-sunken"
            >
              <input
                type="checkbox"
                className="size-4 accent-(--accent)"
                checked={chosen.includes(c.id)}
                onChange={(event) =>
                  set_chosen(
                    event.target.checked ? [...chosen, c.id] : chosen.filter((id) => id !== c.id),
                  )
                }
              />
              <span className="truncate font-mono text-xs">{c.id}</span>
            </label>
          ))}
        </fieldset>
        <Left count={found.length} />
        <div className="flex justify-end gap-2">
          <Button look="quiet" className="mr-auto" onClick={() => on_apply([])}>
            Reset
          </Button>
          <Button look="quiet" onClick={on_close}>
            Cancel
          </Button>
          <Button look="primary" onClick={() => on_apply(chosen)}>
            Show {plural(chosen.length, "column")}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

/** One key, and of a metric how finely its values are cut. */
export function GroupChooser({
  all,
  chosen,
  buckets,
  on_apply,
  on_close,
}: {
  all: RunColumn[];
  chosen: string;
  buckets: number;
  on_apply: (id: string, buckets: number) => void;
  on_close: () => void;
}) {
  const [id, set_id] = useState(chosen);
  const [fine, set_fine] = useState(buckets);
  const [word, set_word] = useState("");
  const found = found_in(all, word);
  return (
    <Dialog title="Group by" on_close={on_close}>
      <div className="flex flex-col gap-3">
        <Finder label="Find a key" word={word} on_word={set_word} />
        <fieldset className="max-h-72 overflow-auto rounded-lg border border-line p-1">
          <legend className="sr-only">What runs are grouped by</legend>
          {found.slice(0, kListedMax).map((c) => (
            <label
              key={c.id}
              className="flex cursor-pointer items-center gap-2 rounded px-2 py-1 text-sm hover:bg-sunken"
            >
              <input
                type="radio"
                name="group"
                className="size-4 accent-(--accent)"
                checked={id === c.id}
                onChange={() => set_id(c.id)}
              />
              <span className="truncate font-mono text-xs">{c.id}</span>
            </label>
          ))}
        </fieldset>
        <Left count={found.length} />
        {id.startsWith("metrics.") && (
          <label className="flex items-center gap-2 text-ink-2 text-sm">
            About this many stretches of its values
            <select
              value={fine}
              onChange={(event) => set_fine(Number(event.target.value))}
              className="h-7 rounded-md border border-line-strong bg-panel px-1.5 text-ink"
            >
              {[...new Set([...kBuckets, buckets])]
                .sort((a, b) => a - b)
                .map((n) => (
                  <option key={n}>{n}</option>
                ))}
            </select>
          </label>
        )}
        <div className="flex justify-end gap-2">
          {chosen && (
            <Button look="quiet" className="mr-auto" onClick={() => on_apply("", fine)}>
              Don’t group
            </Button>
          )}
          <Button look="quiet" onClick={on_close}>
            Cancel
          </Button>
          <Button look="primary" disabled={!id} onClick={() => on_apply(id, fine)}>
            Group
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
