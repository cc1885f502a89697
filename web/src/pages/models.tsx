import { useQuery } from "@tanstack/react-query";
import { api_url } from "../api/client";
import { models_query } from "../api/queries";
import { useProject } from "../app/project";
import { integer } from "../lib/format";
import { AliasBadge, DeploymentLink, ModelLink } from "../ui/domain";
import { Ago, Empty, Failure, PageHead, Panel, Scroll, Waiting } from "../ui/kit";

export function Models() {
  const project = useProject();
  const models = useQuery(models_query(project));
  return (
    <>
      <PageHead
        title="Models"
        sub="What was trained, who vouched for it, and which version is live."
      />
      {models.error && <Failure error={models.error} retry={() => void models.refetch()} />}
      {models.isPending && (
        <Panel flush>
          <Waiting />
        </Panel>
      )}
      {models.data && models.data.length === 0 && (
        <Panel>
          <Empty
            title="No models yet"
            code={`export MLFLOW_TRACKING_URI=${new URL(api_url(project, ""), location.href).origin}\npython -c "import mlflow; mlflow.sklearn.log_model(model, name='model', registered_model_name='fraud')"`}
          >
            Register one with the mlflow client you already have.
          </Empty>
        </Panel>
      )}
      {models.data && models.data.length > 0 && (
        <Panel flush>
          <Scroll label="Models">
            <table className="grid-table">
              <thead>
                <tr>
                  <th scope="col">Model</th>
                  <th scope="col">Production</th>
                  <th scope="col">Staging</th>
                  <th scope="col">Aliases</th>
                  <th scope="col" className="num">
                    Versions
                  </th>
                  <th scope="col">Deployments</th>
                  <th scope="col" className="num">
                    Updated
                  </th>
                </tr>
              </thead>
              <tbody>
                {models.data.map((m) => (
                  <tr key={m.name} data-row data-testid={`model-${m.name}`}>
                    <td>
                      <div className="font-medium">
                        <ModelLink name={m.name} />
                      </div>
                      {m.description && (
                        <div className="max-w-[48ch] truncate text-ink-3 text-xs">
                          {m.description}
                        </div>
                      )}
                    </td>
                    <td data-testid="production">
                      {m.stages.Production ? (
                        <ModelLink name={m.name} version={m.stages.Production}>
                          v{m.stages.Production}
                        </ModelLink>
                      ) : (
                        <span className="text-ink-3">none</span>
                      )}
                    </td>
                    <td>
                      {m.stages.Staging ? (
                        <ModelLink name={m.name} version={m.stages.Staging}>
                          v{m.stages.Staging}
                        </ModelLink>
                      ) : (
                        <span className="text-ink-3">none</span>
                      )}
                    </td>
                    <td>
                      <span className="flex flex-wrap gap-1">
                        {Object.entries(m.aliases).map(([alias, version]) => (
                          <AliasBadge key={alias} alias={`${alias} v${version}`} />
                        ))}
                      </span>
                    </td>
                    <td className="num" data-testid="versions">
                      {integer(m.versions_count)}
                    </td>
                    <td>
                      <span className="flex flex-wrap gap-2">
                        {m.deployments.map((d) => (
                          <DeploymentLink key={d} name={d} />
                        ))}
                      </span>
                    </td>
                    <td className="num text-ink-2">
                      <Ago ms={m.updated_ms} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </Panel>
      )}
    </>
  );
}
