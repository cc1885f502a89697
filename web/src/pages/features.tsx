import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type Definition, features_query } from "../api/features";
import { useProject } from "../app/project";
import { readers_of } from "../lib/features";
import { duration_us, plural } from "../lib/format";
import { Badge } from "../ui/kit";
import { type Column, ListPage } from "../ui/list_page";

export function Fresh({ view }: { view: Definition }) {
  const f = view.freshness;
  if (!f || f.age_us === undefined) return <span className="text-ink-3">no events</span>;
  if (f.sla_us === undefined) return <>{duration_us(f.age_us)}</>;
  return (
    <Badge tone={f.within_sla ? "good" : "bad"}>
      {duration_us(f.age_us)} of {duration_us(f.sla_us)}
    </Badge>
  );
}

function columns(project: string, all: readonly Definition[]): Column<Definition>[] {
  return [
    {
      head: "Feature view",
      look: "font-medium",
      cell: (d) => (
        <Link to="/p/$project/features/$name" params={{ project, name: d.name }} className="link">
          {d.name}
        </Link>
      ),
    },
    { head: "Version", num: true, cell: (d) => `v${d.version}` },
    { head: "Keys", cell: (d) => d.join_keys?.map((k) => k.name).join(", ") || "–" },
    { head: "Features", num: true, cell: (d) => d.features?.length ?? 0 },
    { head: "Source", cell: (d) => d.source ?? "–" },
    { head: "Owner", look: "text-ink-2", cell: (d) => d.definition.owner || "–" },
    { head: "Newest event", num: true, testid: "fresh", cell: (d) => <Fresh view={d} /> },
    {
      head: "Read by",
      look: "text-ink-2",
      cell: (d) => {
        const readers = readers_of(d.name, all);
        return readers.length === 0 ? "nobody" : readers.map((r) => r.name).join(", ");
      },
    },
  ];
}

export function Features() {
  const project = useProject();
  const query = useQuery(features_query(project));
  const all = query.data ?? [];
  const views = useQuery({
    ...features_query(project),
    select: (items) => items.filter((d) => d.kind === "FeatureView"),
  });
  const services = all.filter((d) => d.kind === "FeatureService").length;
  return (
    <ListPage
      kind="view"
      title="Features"
      sub={`Computed once, by the same code for training and serving. Read by ${plural(services, "service")}.`}
      query={views}
      columns={columns(project, all)}
      empty={{
        title: "No feature views yet",
        code: "slipway feature apply features.yaml",
        text: "Define entities, sources, views and services as YAML; `feature plan` shows what would change.",
      }}
    />
  );
}
