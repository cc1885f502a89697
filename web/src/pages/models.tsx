import { useQuery } from "@tanstack/react-query";
import { api_url } from "../api/client";
import { models_query } from "../api/queries";
import type { ModelSummary } from "../api/types";
import { useProject } from "../app/project";
import { integer } from "../lib/format";
import { AliasBadge, DeploymentLink, ModelLink } from "../ui/domain";
import { Ago } from "../ui/kit";
import { type Column, ListPage } from "../ui/list_page";

function Holder({ model, stage }: { model: ModelSummary; stage: "Production" | "Staging" }) {
  const version = model.stages[stage];
  if (!version) return <span className="text-ink-3">none</span>;
  return (
    <ModelLink name={model.name} version={version}>
      v{version}
    </ModelLink>
  );
}

const kColumns: Column<ModelSummary>[] = [
  {
    head: "Model",
    cell: (m) => (
      <>
        <div className="font-medium">
          <ModelLink name={m.name} />
        </div>
        {m.description && (
          <div className="max-w-[48ch] truncate text-ink-3 text-xs">{m.description}</div>
        )}
      </>
    ),
  },
  {
    head: "Production",
    testid: "production",
    cell: (m) => <Holder model={m} stage="Production" />,
  },
  { head: "Staging", cell: (m) => <Holder model={m} stage="Staging" /> },
  {
    head: "Aliases",
    cell: (m) => (
      <span className="flex flex-wrap gap-1">
        {Object.entries(m.aliases).map(([alias, version]) => (
          <AliasBadge key={alias} alias={`${alias} v${version}`} />
        ))}
      </span>
    ),
  },
  { head: "Versions", num: true, testid: "versions", cell: (m) => integer(m.versions_count) },
  {
    head: "Deployments",
    cell: (m) => (
      <span className="flex flex-wrap gap-2">
        {m.deployments.map((d) => (
          <DeploymentLink key={d} name={d} />
        ))}
      </span>
    ),
  },
  { head: "Updated", num: true, look: "text-ink-2", cell: (m) => <Ago ms={m.updated_ms} /> },
];

export function Models() {
  const project = useProject();
  const origin = new URL(api_url(project, ""), location.href).origin;
  return (
    <ListPage
      kind="model"
      title="Models"
      sub="What was trained, who vouched for it, and which version is live."
      query={useQuery(models_query(project))}
      columns={kColumns}
      empty={{
        title: "No models yet",
        code: `export MLFLOW_TRACKING_URI=${origin}\npython -c "import mlflow; mlflow.sklearn.log_model(model, name='model', registered_model_name='fraud')"`,
        text: "Register one with the mlflow client you already have.",
      }}
    />
  );
}
