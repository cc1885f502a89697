// The small parts that every page is made of.
import { type ButtonHTMLAttributes, type ReactNode, useEffect, useId, useState } from "react";
import { ApiError } from "../api/client";
import { ago, timestamp } from "../lib/format";
import { Icon, type IconName } from "./icons";

export type Tone = "plain" | "good" | "warn" | "bad" | "info" | "note";

const kTone: Record<Tone, string> = {
  plain: "bg-sunken text-ink-2 ring-line",
  good: "bg-good-soft text-good ring-good/20",
  warn: "bg-warn-soft text-warn ring-warn/20",
  bad: "bg-bad-soft text-bad ring-bad/25",
  info: "bg-info-soft text-info ring-info/20",
  note: "bg-note-soft text-note ring-note/20",
};

export function Badge({
  tone = "plain",
  icon,
  children,
  ...rest
}: {
  tone?: Tone;
  icon?: IconName;
  children: ReactNode;
  title?: string;
  "data-testid"?: string;
}) {
  return (
    <span
      className={`inline-flex h-5 items-center gap-1 whitespace-nowrap rounded-md px-1.5 text-2xs font-medium ring-1 ring-inset ${kTone[tone]}`}
      {...rest}
    >
      {icon && <Icon name={icon} size={11} />}
      {children}
    </span>
  );
}

const kButton = {
  primary: "bg-accent text-accent-ink hover:opacity-90",
  plain: "bg-panel text-ink ring-1 ring-inset ring-line-strong hover:bg-sunken",
  danger: "bg-panel text-bad ring-1 ring-inset ring-bad/50 hover:bg-bad-soft",
  quiet: "text-ink-2 hover:bg-sunken hover:text-ink",
};

export function Button({
  look = "plain",
  icon,
  children,
  className = "",
  ...rest
}: { look?: keyof typeof kButton; icon?: IconName } & ButtonHTMLAttributes<HTMLButtonElement>) {
  return (
    <button
      type="button"
      className={`inline-flex h-8 items-center justify-center gap-1.5 whitespace-nowrap rounded-lg px-2.5 text-xs font-medium transition-colors disabled:bg-sunken disabled:text-ink-3 disabled:ring-1 disabled:ring-line disabled:ring-inset ${kButton[look]} ${className}`}
      {...rest}
    >
      {icon && <Icon name={icon} size={14} />}
      {children}
    </button>
  );
}

export function Panel({
  title,
  note,
  actions,
  children,
  flush = false,
  className = "",
}: {
  title?: ReactNode;
  note?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  flush?: boolean;
  className?: string;
}) {
  return (
    <section className={`panel min-w-0 ${className}`}>
      {title !== undefined && (
        <header className="flex min-h-11 flex-wrap items-center gap-x-3 gap-y-1 border-line border-b px-4 py-2">
          <h2 className="font-semibold text-[0.8125rem]">{title}</h2>
          {note && <span className="text-ink-3 text-xs">{note}</span>}
          {actions && <div className="ml-auto flex flex-wrap items-center gap-2">{actions}</div>}
        </header>
      )}
      <div className={flush ? "" : "p-4"}>{children}</div>
    </section>
  );
}

export function PageHead({
  eyebrow,
  title,
  badges,
  sub,
  actions,
}: {
  eyebrow?: ReactNode;
  title: ReactNode;
  badges?: ReactNode;
  sub?: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <header className="mb-5 flex flex-wrap items-end gap-x-4 gap-y-3">
      <div className="min-w-0">
        {eyebrow && <div className="mb-0.5 text-ink-3 text-xs">{eyebrow}</div>}
        <div className="flex flex-wrap items-center gap-2">
          <h1 className="break-words font-semibold text-xl leading-7 tracking-[-0.01em]">
            {title}
          </h1>
          {badges}
        </div>
        {sub && <div className="mt-1 max-w-[80ch] text-ink-2 text-sm">{sub}</div>}
      </div>
      {actions && <div className="ml-auto flex flex-wrap items-center gap-2">{actions}</div>}
    </header>
  );
}

/** A table that scrolls inside its panel on narrow screens; the scroller is reachable by keyboard. */
export function Scroll({ label, children }: { label: string; children: ReactNode }) {
  return (
    <section aria-label={label} tabIndex={0} className="relative overflow-x-auto rounded-b-[10px]">
      {children}
    </section>
  );
}

export function Stat({
  label,
  value,
  note,
  testid,
}: {
  label: string;
  value: ReactNode;
  note?: ReactNode;
  testid?: string;
}) {
  return (
    <div className="min-w-0 px-4 py-3">
      <div className="label">{label}</div>
      <div className="mt-0.5 truncate font-semibold text-lg leading-6" data-testid={testid}>
        {value}
      </div>
      {note && <div className="truncate text-ink-3 text-xs">{note}</div>}
    </div>
  );
}

/** Facts side by side, with hairlines between them at any width. */
export function Stats({ children }: { children: ReactNode }) {
  return (
    <div className="panel mb-5 grid grid-cols-2 overflow-hidden sm:grid-cols-[repeat(auto-fit,minmax(9.5rem,1fr))] [&>*]:-mb-px [&>*]:-mr-px [&>*]:border-line [&>*]:border-r [&>*]:border-b">
      {children}
    </div>
  );
}

export function Facts({ rows }: { rows: [string, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[minmax(6rem,auto)_1fr] gap-x-4 gap-y-1.5 text-sm">
      {rows.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-ink-3 text-xs leading-5">{name}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Copy({
  text,
  label,
  children,
}: {
  text: string;
  label: string;
  children?: ReactNode;
}) {
  const [done, set_done] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => set_done(false), 1_200);
    return () => clearTimeout(timer);
  }, [done]);
  return (
    <button
      type="button"
      title={`Copy ${label}`}
      onClick={async (event) => {
        event.stopPropagation();
        try {
          await navigator.clipboard.writeText(text);
          set_done(true);
        } catch {
          // No clipboard outside secure contexts; the text stays selectable.
        }
      }}
      className="-mx-1 inline-flex min-h-6 items-center gap-1 rounded px-1 font-mono text-ink-2 text-xs hover:bg-sunken hover:text-ink"
    >
      <span className="sr-only">Copy {label}</span>
      {children}
      <Icon
        name={done ? "check" : "copy"}
        size={12}
        className={done ? "text-good" : "text-ink-3"}
      />
    </button>
  );
}

/** The same object for machines: its JSON, and the command that fetches it. */
export function ApiLinks({ url }: { url: string }) {
  const absolute = new URL(url, location.href).href;
  return (
    <span className="inline-flex items-center gap-2 text-xs">
      <a className="link" href={url} target="_blank" rel="noreferrer">
        JSON
      </a>
      <Copy text={`curl -s '${absolute}'`} label="curl command">
        curl
      </Copy>
    </span>
  );
}

let shared_now = Date.now();
const clocks = new Set<(now: number) => void>();
let ticking: ReturnType<typeof setInterval> | undefined;

/** The time now, one shared timer for the whole page. */
export function useNow(): number {
  const [now, set_now] = useState(shared_now);
  useEffect(() => {
    clocks.add(set_now);
    ticking ??= setInterval(() => {
      shared_now = Date.now();
      for (const tell of clocks) tell(shared_now);
    }, 5_000);
    return () => {
      clocks.delete(set_now);
      if (clocks.size === 0) {
        clearInterval(ticking);
        ticking = undefined;
      }
    };
  }, []);
  return now;
}

export function Ago({ ms }: { ms: number }) {
  const now = useNow();
  return (
    <time dateTime={new Date(ms).toISOString()} title={timestamp(ms)} className="whitespace-nowrap">
      {ago(ms, Math.max(now, ms))}
    </time>
  );
}

export function Dot({ tone, pulse = false }: { tone: Tone; pulse?: boolean }) {
  const colour = {
    plain: "bg-(--mark-grey)",
    good: "bg-(--mark-green)",
    warn: "bg-(--mark-orange)",
    bad: "bg-(--mark-red)",
    info: "bg-(--mark-blue)",
    note: "bg-(--mark-pink)",
  }[tone];
  return (
    <span
      aria-hidden="true"
      className={`inline-block size-2 shrink-0 rounded-full ${colour} ${pulse ? "pulse" : ""}`}
    />
  );
}

export function Empty({
  title,
  children,
  code,
}: {
  title: string;
  children?: ReactNode;
  code?: string;
}) {
  return (
    <div className="flex flex-col items-center gap-2 px-4 py-10 text-center">
      <div className="font-medium text-sm">{title}</div>
      {children && <div className="max-w-[52ch] text-ink-2 text-sm">{children}</div>}
      {code && (
        <div className="relative mt-2 w-full max-w-2xl text-left">
          <pre
            tabIndex={0}
            className="overflow-x-auto rounded-lg border border-line bg-sunken p-3 pr-10 font-mono text-ink text-xs leading-5"
          >
            {code}
          </pre>
          <span className="absolute top-2 right-2">
            <Copy text={code} label="command" />
          </span>
        </div>
      )}
    </div>
  );
}

export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const api = error instanceof ApiError ? error : null;
  return (
    <div
      role="alert"
      className="flex flex-col gap-2 rounded-[10px] border border-bad/30 bg-bad-soft px-4 py-3 text-sm"
    >
      <div className="flex items-center gap-2 font-medium text-bad">
        <Icon name="warn" />
        {error instanceof Error ? error.message : "Something went wrong"}
      </div>
      {api?.hint && <div className="text-ink">{api.hint}</div>}
      {(api?.code || api?.trace_id) && (
        <div className="font-mono text-ink-2 text-xs">
          {api.code}
          {api.trace_id && ` · trace ${api.trace_id}`}
        </div>
      )}
      {retry && (
        <div>
          <Button onClick={retry}>Try again</Button>
        </div>
      )}
    </div>
  );
}

/** Grey lines of the height that the content will have, so that nothing jumps. */
export function Waiting({ rows = 4 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Loading" className="flex flex-col gap-3 p-4">
      {Array.from({ length: rows }, (_, i) => (
        <div
          key={i}
          className="pulse h-4 rounded bg-sunken"
          style={{ width: `${92 - ((i * 17) % 40)}%` }}
        />
      ))}
    </div>
  );
}

export function Segmented<T extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: T;
  options: readonly { value: T; label: string; icon?: IconName }[];
  onChange: (value: T) => void;
}) {
  const name = useId(); // Not the label: two switches of one label must not share a radio group.
  return (
    <fieldset className="inline-flex h-7 self-start items-center rounded-lg bg-sunken p-0.5 ring-1 ring-line ring-inset">
      <legend className="sr-only">{label}</legend>
      {options.map((option) => (
        <label
          key={option.value}
          title={option.label}
          className="flex h-6 cursor-pointer items-center gap-1 rounded-md px-2 text-2xs font-medium text-ink-2 hover:text-ink has-checked:bg-panel has-checked:text-ink has-checked:shadow-sm has-focus-visible:outline-2 has-focus-visible:outline-accent"
        >
          <input
            type="radio"
            name={name}
            value={option.value}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
            className="sr-only"
          />
          {option.icon ? (
            <>
              <Icon name={option.icon} size={13} />
              <span className="sr-only">{option.label}</span>
            </>
          ) : (
            option.label
          )}
        </label>
      ))}
    </fieldset>
  );
}
