// One line at the bottom that says what just happened.
import { useSyncExternalStore } from "react";
import { Icon } from "./icons";

interface Toast {
  id: number;
  text: string;
}

const kShown_ms = 5_000;
let toasts: Toast[] = [];
let next_id = 1;
const listeners = new Set<() => void>();

function publish(next: Toast[]) {
  toasts = next;
  for (const tell of listeners) tell();
}

export function toast(text: string): void {
  const id = next_id++;
  publish([...toasts, { id, text }]);
  setTimeout(() => publish(toasts.filter((t) => t.id !== id)), kShown_ms);
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => toasts,
  );
  return (
    <output className="pointer-events-none fixed inset-x-0 bottom-4 z-50 flex flex-col items-center gap-2 px-4">
      {shown.map((t) => (
        <div
          key={t.id}
          className="pointer-events-auto flex items-center gap-2 rounded-lg bg-ink px-3 py-2 text-bg text-sm shadow-(--shadow-lg)"
        >
          <Icon name="check" size={14} />
          {t.text}
        </div>
      ))}
    </output>
  );
}
