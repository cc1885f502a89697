// The frame of every page: where you are, who you are, whether what you see is live.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { ApiError, config, set_token, token } from "../api/client";
import { type LiveState, stale_since_ms, start_live, useLiveState } from "../api/live";
import { alerts_query, status_query, whoami_query } from "../api/queries";
import { clock } from "../lib/format";
import { Dialog } from "../ui/dialog";
import { Icon, type IconName, Logo } from "../ui/icons";
import { Button, Dot, Failure, Segmented, type Tone } from "../ui/kit";
import { Toasts } from "../ui/toast";
import { useProject } from "./project";
import { set_theme, useTheme } from "./theme";

const kNav = [
  { to: "/p/$project", label: "Overview", icon: "overview", key: "o", exact: true },
  { to: "/p/$project/experiments", label: "Experiments", icon: "chart", key: "e", exact: false },
  { to: "/p/$project/models", label: "Models", icon: "models", key: "m", exact: false },
  { to: "/p/$project/approvals", label: "Approvals", icon: "shield", key: "a", exact: false },
  {
    to: "/p/$project/deployments",
    label: "Deployments",
    icon: "deployments",
    key: "d",
    exact: false,
  },
  { to: "/p/$project/datasets", label: "Datasets", icon: "datasets", key: "t", exact: false },
  { to: "/p/$project/features", label: "Features", icon: "features", key: "f", exact: false },
  { to: "/p/$project/ledger", label: "Ledger", icon: "ledger", key: "l", exact: false },
] as const satisfies readonly {
  to: string;
  label: string;
  icon: IconName;
  key: string;
  exact: boolean;
}[];

const kLive: Record<LiveState, { tone: Tone; label: string; help: string }> = {
  connecting: { tone: "warn", label: "Connecting", help: "Opening the event stream" },
  live: { tone: "good", label: "Live", help: "Changes appear as the ledger records them" },
  polling: { tone: "info", label: "Polling", help: "No event stream here: asked every 5 seconds" },
  offline: { tone: "bad", label: "Offline", help: "The server doesn't answer; trying again" },
};

function NavLinks() {
  const project = useProject();
  const alerts = useQuery(alerts_query(project));
  const firing = (alerts.data ?? []).filter((a) => !a.resolved_us).length;
  return (
    <nav aria-label="Main" className="flex gap-0.5 overflow-x-auto md:flex-col md:overflow-visible">
      {kNav.map((item) => (
        <Link
          key={item.to}
          to={item.to}
          params={{ project }}
          activeOptions={{ exact: item.exact, includeSearch: false }}
          className="group flex h-9 shrink-0 items-center gap-2.5 rounded-lg px-2.5 font-medium text-ink-2 text-sm hover:bg-sunken hover:text-ink aria-[current=page]:bg-accent-soft aria-[current=page]:text-accent md:h-8"
        >
          <Icon name={item.icon} className="hidden sm:block" />
          {item.label}
          {item.icon === "overview" && firing > 0 && (
            <span className="ml-auto rounded-md bg-bad-soft px-1.5 text-2xs text-bad">
              {firing}
              <span className="sr-only"> alerts firing</span>
            </span>
          )}
        </Link>
      ))}
    </nav>
  );
}

function ThemeSwitch() {
  const theme = useTheme();
  return (
    <Segmented
      label="Theme"
      value={theme}
      onChange={set_theme}
      options={[
        { value: "system", label: "Follow the system", icon: "screen" },
        { value: "light", label: "Light", icon: "sun" },
        { value: "dark", label: "Dark", icon: "moon" },
      ]}
    />
  );
}

function SignIn({ on_close }: { on_close: () => void }) {
  const client = useQueryClient();
  const project = useProject();
  const [value, set_value] = useState("");
  const [error, set_error] = useState<unknown>(null);
  const held = token() !== null;

  async function use(next: string | null) {
    const before = token();
    set_token(next);
    try {
      await client.fetchQuery({ ...whoami_query(project), staleTime: 0, retry: false });
      await client.invalidateQueries();
      on_close();
    } catch (cause) {
      set_token(before);
      set_error(cause);
    }
  }

  return (
    <Dialog title="Act as" on_close={on_close}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (value.trim()) void use(value.trim());
        }}
      >
        <p className="text-ink-2 text-sm">
          A token decides who approves, promotes and rolls back. It stays in this tab and is
          forgotten with it.
        </p>
        <label className="flex flex-col gap-1 text-sm">
          <span className="label">Token</span>
          <input
            type="password"
            autoComplete="off"
            placeholder="slp_…"
            value={value}
            onChange={(event) => set_value(event.target.value)}
            className="w-full rounded-lg border border-line-strong bg-panel px-3 py-1.5 font-mono text-sm placeholder:text-ink-3"
          />
        </label>
        {error !== null && <Failure error={error} />}
        <div className="flex justify-end gap-2">
          {held && (
            <Button look="quiet" className="mr-auto" onClick={() => void use(null)}>
              Drop the token
            </Button>
          )}
          <Button look="quiet" onClick={on_close}>
            Cancel
          </Button>
          <Button type="submit" look="primary" disabled={!value.trim()}>
            Use token
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function Shortcuts({ on_close }: { on_close: () => void }) {
  return (
    <Dialog title="Keyboard" on_close={on_close}>
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-2 text-sm">
        {kNav.map((item) => (
          <div key={item.key} className="contents">
            <dt>
              <kbd className="rounded border border-line-strong px-1.5 font-mono text-xs">g</kbd>{" "}
              <kbd className="rounded border border-line-strong px-1.5 font-mono text-xs">
                {item.key}
              </kbd>
            </dt>
            <dd>{item.label}</dd>
          </div>
        ))}
        <dt>
          <kbd className="rounded border border-line-strong px-1.5 font-mono text-xs">/</kbd>
        </dt>
        <dd>Filter this list</dd>
        <dt>
          <kbd className="rounded border border-line-strong px-1.5 font-mono text-xs">?</kbd>
        </dt>
        <dd>This sheet</dd>
      </dl>
      <div className="flex justify-end">
        <Button onClick={on_close}>Close</Button>
      </div>
    </Dialog>
  );
}

const kChord_ms = 1_200;

function useKeys(project: string, open_help: () => void) {
  const navigate = useNavigate();
  useEffect(() => {
    let armed_at = 0;
    const on_key = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const at = event.target as HTMLElement;
      if (at.closest("input, textarea, select, dialog, [contenteditable]")) return;
      if (event.key === "?") return open_help();
      if (event.key === "/") {
        const field = document.querySelector<HTMLElement>("[data-filter]");
        if (field) event.preventDefault();
        return field?.focus();
      }
      if (event.key === "g") {
        armed_at = event.timeStamp;
        return;
      }
      const row = kNav.find((item) => item.key === event.key);
      if (row && event.timeStamp - armed_at < kChord_ms)
        void navigate({ to: row.to, params: { project } });
      armed_at = 0;
    };
    window.addEventListener("keydown", on_key);
    return () => window.removeEventListener("keydown", on_key);
  }, [navigate, project, open_help]);
}

function LiveBadge() {
  const live = kLive[useLiveState()];
  return (
    <span
      title={live.help}
      className="inline-flex items-center gap-1.5 text-ink-2 text-xs"
      data-testid="live"
    >
      <Dot tone={live.tone} pulse={live.tone === "good"} />
      {live.label}
    </span>
  );
}

/** Never silently stale: says since when the page can't be trusted. */
function StaleBanner() {
  const live = useLiveState();
  if (live !== "offline") return null;
  return (
    <div
      role="status"
      className="mb-4 flex items-center gap-2 rounded-[10px] border border-warn/30 bg-warn-soft px-4 py-2 text-sm text-warn"
    >
      <Icon name="warn" />
      The server doesn't answer. What you see is from {clock(stale_since_ms())} or before.
    </div>
  );
}

export function Shell() {
  const project = useProject();
  const client = useQueryClient();
  const [dialog, set_dialog] = useState<"sign-in" | "keys" | null>(null);
  const [open_help] = useState(() => () => set_dialog("keys"));
  const path = useRouterState({ select: (s) => s.location.pathname });
  const who = useQuery(whoami_query(project));
  const status = useQuery(status_query(project));
  useEffect(() => start_live(client, project), [client, project]);
  useKeys(project, open_help);
  useEffect(() => {
    const heading = path
      .split("/")
      .filter(Boolean)
      .slice(2)
      .map(decodeURIComponent)
      .reverse()
      .join(" · ");
    document.title = heading ? `${heading} · Slipway` : "Slipway";
  }, [path]);
  const denied = who.error instanceof ApiError && who.error.status === 401;
  return (
    <div className="flex min-h-dvh flex-col md:grid md:grid-cols-[13rem_minmax(0,1fr)]">
      {/* biome-ignore lint/a11y/useValidAnchor: <base> would turn the bare hash into a navigation */}
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-lg focus:bg-raised focus:px-3 focus:py-2"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        Skip to content
      </a>
      <aside className="z-20 flex flex-col gap-2 border-line border-b bg-panel px-3 py-2 max-md:sticky max-md:top-0 md:sticky md:top-0 md:h-dvh md:gap-4 md:border-r md:border-b-0 md:py-4">
        <div className="flex items-center gap-2.5 px-1">
          <Logo />
          <div className="leading-tight">
            <div className="font-semibold text-sm tracking-[-0.01em]">Slipway</div>
            <div className="text-2xs text-ink-3">{project}</div>
          </div>
          <div className="ml-auto md:hidden">
            <LiveBadge />
          </div>
        </div>
        <NavLinks />
        <div className="mt-auto hidden flex-col gap-3 px-1 md:flex">
          <LiveBadge />
          <ThemeSwitch />
          <button
            type="button"
            onClick={() => set_dialog("sign-in")}
            className="-mx-1 flex items-center gap-2 rounded-lg px-1 py-1 text-left text-ink-2 text-xs hover:bg-sunken hover:text-ink"
          >
            <Icon name="user" size={14} />
            <span className="truncate">{who.data?.principal ?? "Sign in"}</span>
          </button>
          <div className="flex items-center justify-between text-2xs text-ink-3">
            <span>{status.data?.version ?? config.version ?? ""}</span>
            <button type="button" className="rounded px-1 hover:text-ink" onClick={open_help}>
              Keys <kbd className="font-mono">?</kbd>
            </button>
          </div>
        </div>
      </aside>
      <main id="main" tabIndex={-1} className="min-w-0 outline-none">
        <div className="mx-auto w-full max-w-[84rem] px-4 py-5 md:px-7 md:py-6">
          {denied ? (
            <div className="mx-auto mt-16 max-w-md">
              <Failure error={who.error} />
              <div className="mt-3 flex justify-end">
                <Button look="primary" onClick={() => set_dialog("sign-in")}>
                  Use a token
                </Button>
              </div>
            </div>
          ) : (
            <>
              <StaleBanner />
              <Outlet />
            </>
          )}
        </div>
        <footer className="flex flex-wrap items-center justify-between gap-3 border-line border-t px-4 py-3 md:hidden">
          <ThemeSwitch />
          <Button look="quiet" icon="user" onClick={() => set_dialog("sign-in")}>
            {who.data?.principal ?? "Sign in"}
          </Button>
        </footer>
      </main>
      <Toasts />
      {dialog === "sign-in" && <SignIn on_close={() => set_dialog(null)} />}
      {dialog === "keys" && <Shortcuts on_close={() => set_dialog(null)} />}
    </div>
  );
}

export function NotFound() {
  return (
    <div className="mx-auto max-w-md px-4 py-24 text-center">
      <h1 className="font-semibold text-lg">There is nothing at this address</h1>
      <p className="mt-1 text-ink-2 text-sm">
        It may have been renamed, or belong to another project.
      </p>
      <p className="mt-4">
        <Link to="/p/$project" params={{ project: "default" }} className="link">
          Overview
        </Link>
      </p>
    </div>
  );
}

export function CrashPanel({ error, reset }: { error: unknown; reset?: () => void }) {
  return (
    <div className="mx-auto max-w-xl px-4 py-16">
      <Failure error={error} retry={reset} />
    </div>
  );
}
