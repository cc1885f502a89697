// biome-ignore-all lint/a11y/useSemanticElements: completions of a combobox are no <select>
// MLflow's filter with completion: a combobox, so that arrows choose, Tab or Enter take, Escape closes
// and Enter on nothing chosen asks the server.
import { type KeyboardEvent, useEffect, useId, useState } from "react";
import type { RunKeys } from "../api/tracking_types";
import { completions } from "../lib/run_table";

export function FilterBox({
  value,
  keys,
  on_apply,
}: {
  value: string;
  keys: RunKeys | undefined;
  on_apply: (filter: string) => void;
}) {
  const id = useId();
  const [text, set_text] = useState(value);
  const [open, set_open] = useState(false);
  const [at, set_at] = useState(-1);
  useEffect(() => set_text(value), [value]);
  const found = open ? completions(text, keys) : [];

  function take(index: number) {
    const chosen = found[index];
    if (!chosen) return;
    set_text(chosen.text);
    set_at(-1);
  }

  function on_key(event: KeyboardEvent) {
    if (event.key === "ArrowDown" && !open) set_open(true);
    else if (event.key === "ArrowDown") set_at(Math.min(found.length - 1, at + 1));
    else if (event.key === "ArrowUp") set_at(Math.max(-1, at - 1));
    else if (event.key === "Escape" && open) set_open(false);
    else if ((event.key === "Enter" || event.key === "Tab") && open && at >= 0) take(at);
    else if (event.key === "Enter") {
      set_open(false);
      on_apply(text.trim());
    } else return;
    event.preventDefault();
  }

  return (
    <div className="relative min-w-0 flex-1 basis-60">
      <input
        data-filter
        role="combobox"
        aria-label="Filter runs"
        aria-expanded={found.length > 0}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
        autoComplete="off"
        spellCheck={false}
        placeholder="metrics.loss < 0.1 AND params.optimizer = 'adam'"
        value={text}
        onChange={(event) => {
          set_text(event.target.value);
          set_open(true);
          set_at(-1);
        }}
        onFocus={() => set_open(true)}
        onBlur={() => {
          set_open(false);
          if (text.trim() !== value) on_apply(text.trim());
        }}
        onKeyDown={on_key}
        className="h-8 w-full rounded-lg border border-line-strong bg-panel px-3 font-mono text-xs placeholder:text-ink-3"
      />
      <div
        id={`${id}-list`}
        role="listbox"
        aria-label="Completions"
        hidden={found.length === 0}
        className="absolute z-30 mt-1 max-h-64 w-full max-w-md overflow-auto rounded-lg border border-line bg-raised p-1 shadow-(--shadow-lg)"
      >
        {found.map((c, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: keys stay in the box, as in any combobox
          <div
            key={c.label}
            id={`${id}-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={i === at}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => take(i)}
            className="cursor-pointer truncate rounded px-2 py-1 font-mono text-xs hover:bg-sunken aria-selected:bg-accent-soft aria-selected:text-accent"
          >
            {c.label}
          </div>
        ))}
      </div>
    </div>
  );
}
