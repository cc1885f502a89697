// system | light | dark. `public/assets/theme.js` applies the choice before the first paint.
import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

const kKey = "slipway.theme";
const kSystemDark = "(prefers-color-scheme: dark)";
const listeners = new Set<() => void>();

export function theme(): Theme {
  const set = document.documentElement.dataset.theme;
  return set === "light" || set === "dark" ? set : "system";
}

function is_dark(): boolean {
  const chosen = theme();
  return chosen === "dark" || (chosen === "system" && matchMedia(kSystemDark).matches);
}

function tell_all() {
  for (const tell of listeners) tell();
}

export function set_theme(next: Theme): void {
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    if (next === "system") localStorage.removeItem(kKey);
    else localStorage.setItem(kKey, next);
  } catch {
    // Storage can be forbidden; the choice then lasts until the page goes.
  }
  tell_all();
}

function subscribe(tell: () => void) {
  listeners.add(tell);
  const media = matchMedia(kSystemDark);
  media.addEventListener("change", tell);
  return () => {
    listeners.delete(tell);
    media.removeEventListener("change", tell);
  };
}

export const useTheme = () => useSyncExternalStore(subscribe, theme);
export const useDark = () => useSyncExternalStore(subscribe, is_dark);

/** The colour that a custom property has now; canvas can't read `light-dark()` itself. */
export function colour(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.documentElement.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
