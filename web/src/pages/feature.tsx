import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api_url } from "../api/client";
import {
  type Definition,
  feature_query,
  features_query,
  read_at,
  read_now,
  type Spread,
  type Value,
  verify_service,
} from "../api/features";
import { key_value, readers_of, served_shares, value_text } from "../lib/features";
import { duration_us, integer, percent, plural, short_digest, timestamp } from "../lib/format";
import {
  Ago,
  ApiLinks,
  Badge,
  Button,
  Copy,
  Empty,
  Facts,
  Failure,
  PageHead,
  Panel,
  Scroll,
  Stat,
  Stats,
  Waiting,
} from "../ui/kit";
import { Fresh } from "./features";

function spread_text(s: Spread): string {
  if (s.count === 0 || s.p50_us === undefined || s.p99_us === undefined) return "–";
  return `${duration_us(s.p50_us)} median, ${duration_us(s.p99_us)} p99`;
}

function FeatureTable({ view }: { view: Definition }) {
  return (
    <Panel title="Features" note={plural(view.features?.length ?? 0, "feature")} flush>
      <Scroll label="Features">
        <table className="grid-table">
          <thead>
            <tr>
              <th scope="col">Feature</th>
              <th scope="col">Type</th>
              <th scope="col">Reference</th>
            </tr>
          </thead>
          <tbody>
            {view.features?.map((f) => (
              <tr key={f.name}>
                <td className="font-medium">{f.name}</td>
                <td className="font-mono text-xs">{f.type}</td>
                <td className="font-mono text-ink-2 text-xs">
                  {view.name}:{f.name}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function FreshPanel({ view }: { view: Definition }) {
  const f = view.freshness;
  if (!f) return null;
  const shares = served_shares(f.served);
  const clock = (us: number) => (us > 0 ? timestamp(us / 1_000) : "–");
  return (
    <Panel title="Freshness" note="since the server was started, but for the newest event">
      <Facts
        rows={[
          ["Newest event", clock(f.event_us)],
          ["Received", clock(f.received_us)],
          ["Visible", clock(f.visible_us)],
          [
            "Contract",
            view.freshness?.sla_us === undefined ? "asks nothing" : <Fresh view={view} />,
          ],
          ["Events come late by", spread_text(f.lateness)],
          ["Rows are visible after", spread_text(f.lag)],
          ["Age when served", spread_text(f.age_at_serve)],
          [
            "Values served",
            shares === null
              ? "none yet"
              : shares
                  .filter((s) => s.n > 0)
                  .map((s) => `${s.status} ${percent(s.share)} (${integer(s.n)})`)
                  .join(", "),
          ],
        ]}
      />
    </Panel>
  );
}

function Values({ values }: { values: Value[] }) {
  return (
    <Scroll label="Values">
      <table className="grid-table" data-testid="values">
        <thead>
          <tr>
            <th scope="col">Feature</th>
            <th scope="col">Value</th>
            <th scope="col">Status</th>
            <th scope="col">Event</th>
          </tr>
        </thead>
        <tbody>
          {values.map((v) => (
            <tr key={v.feature}>
              <td className="font-medium">{v.feature}</td>
              <td className="font-mono text-xs">{value_text(v.value)}</td>
              <td>
                {v.status ? (
                  <Badge tone={v.status === "PRESENT" ? "good" : "warn"}>{v.status}</Badge>
                ) : (
                  "–"
                )}
              </td>
              <td className="text-ink-2">{v.event_ms ? timestamp(v.event_ms) : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function TryIt({ project, view }: { project: string; view: Definition }) {
  const fields = view.join_keys ?? [];
  const [typed, set_typed] = useState<Record<string, string>>({});
  const [at, set_at] = useState("");
  const read = useMutation({
    mutationFn: () => {
      const keys: Record<string, string | number> = {};
      for (const field of fields) {
        const value = key_value(typed[field.name] ?? "", field);
        if (value === null)
          throw new Error(`${field.name}: a value of type ${field.type} is wanted`);
        keys[field.name] = value;
      }
      const refs = [`${view.name}:*`];
      if (at === "") return read_now(project, refs, keys);
      return read_at(project, refs, keys, new Date(at).toISOString());
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    read.mutate();
  };
  return (
    <Panel
      title="Try it"
      note="one entity, as it is served now or could be served at a moment"
      flush
    >
      <form onSubmit={submit} className="flex flex-wrap items-end gap-3 p-4">
        {fields.map((field) => (
          <label key={field.name} className="flex flex-col gap-1 text-xs">
            <span className="text-ink-3">
              {field.name} <span className="font-mono">{field.type}</span>
            </span>
            <input
              className="h-8 rounded-lg border border-line-strong bg-panel px-2 font-mono text-xs"
              name={field.name}
              value={typed[field.name] ?? ""}
              onChange={(e) => set_typed({ ...typed, [field.name]: e.target.value })}
            />
          </label>
        ))}
        <label className="flex flex-col gap-1 text-xs">
          <span className="text-ink-3">as of (empty: now)</span>
          <input
            className="h-8 rounded-lg border border-line-strong bg-panel px-2 font-mono text-xs"
            type="datetime-local"
            step={1}
            name="as_of"
            value={at}
            onChange={(e) => set_at(e.target.value)}
          />
        </label>
        <Button type="submit" disabled={read.isPending}>
          Read
        </Button>
      </form>
      {read.error && <Failure error={read.error} />}
      {read.data && <Values values={read.data} />}
    </Panel>
  );
}

function ParityOf({ project, service }: { project: string; service: Definition }) {
  const logs = (service.definition.log?.sample_by_key ?? 0) > 0;
  const verify = useMutation({ mutationFn: () => verify_service(project, service.name) });
  const r = verify.data;
  return (
    <tr data-testid={`reader-${service.name}`}>
      <td className="font-medium">{service.name}</td>
      <td>{service.kind === "OnDemand" ? "on-demand view" : `service v${service.version}`}</td>
      <td>
        {r ? (
          <Badge tone={r.vectors === 0 ? "warn" : r.holds ? "good" : "bad"}>
            {r.vectors === 0
              ? "nothing logged in the last hour"
              : `${integer(r.equal)} of ${integer(r.values)} values equal, ${integer(r.broken)} broken`}
          </Badge>
        ) : logs ? (
          <Button onClick={() => verify.mutate()} disabled={verify.isPending}>
            Replay the last hour
          </Button>
        ) : (
          <span className="text-ink-3">{service.kind === "OnDemand" ? "–" : "doesn't log"}</span>
        )}
        {verify.error && <Failure error={verify.error} />}
      </td>
    </tr>
  );
}

function Readers({ project, readers }: { project: string; readers: Definition[] }) {
  return (
    <Panel title="Read by" note="and whether training sees what serving saw" flush>
      {readers.length === 0 ? (
        <Empty title="Nobody reads this view">A service names it as view:feature or view:*.</Empty>
      ) : (
        <Scroll label="Read by">
          <table className="grid-table">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Kind</th>
                <th scope="col">Parity</th>
              </tr>
            </thead>
            <tbody>
              {readers.map((reader) => (
                <ParityOf
                  key={`${reader.kind}:${reader.name}`}
                  project={project}
                  service={reader}
                />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}

export function Feature() {
  const { project, name } = useParams({ from: "/p/$project/features/$name" });
  const query = useQuery(feature_query(project, "FeatureView", name));
  const all = useQuery(features_query(project));
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
  if (!query.data) return <Waiting rows={8} />;
  const view = query.data;
  return (
    <>
      <PageHead
        eyebrow={
          <Link to="/p/$project/features" params={{ project }} className="hover:text-ink">
            Features
          </Link>
        }
        title={name}
        sub={view.definition.description}
        badges={
          <>
            <Copy text={`${name}:*`} label="reference">
              {name}:*
            </Copy>
            <ApiLinks url={api_url(project, `/features/FeatureView/${encodeURIComponent(name)}`)} />
          </>
        }
      />
      <Stats>
        <Stat label="Newest event" value={<Fresh view={view} />} testid="fresh" />
        <Stat label="Keys" value={view.join_keys?.map((k) => k.name).join(", ") ?? "–"} />
        <Stat
          label="Source"
          value={view.source ?? "–"}
          note={view.definition.ttl && `ttl ${view.definition.ttl}`}
        />
        <Stat label="Version" value={`v${view.version}`} note={short_digest(view.digest)} />
        <Stat
          label="Applied"
          value={<Ago ms={view.created_ms} />}
          note={view.definition.owner || view.created_by}
        />
      </Stats>
      <div className="grid gap-5 lg:grid-cols-2">
        <FeatureTable view={view} />
        <FreshPanel view={view} />
      </div>
      <div className="mt-5 grid gap-5">
        <TryIt project={project} view={view} />
        <Readers project={project} readers={readers_of(name, all.data ?? [])} />
        <Panel title="Definition" note="as it was applied">
          <pre className="overflow-x-auto font-mono text-xs" tabIndex={0}>
            {JSON.stringify(view.definition, null, 2)}
          </pre>
        </Panel>
      </div>
    </>
  );
}
