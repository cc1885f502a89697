import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { api_url, call } from "../api/client";
import { history_query, model_query } from "../api/queries";
import type { ModelDetail, ModelVersion, StageSpan } from "../api/types";
import { plural, short_digest } from "../lib/format";
import { previous_holder } from "../lib/registry";
import { Confirm } from "../ui/dialog";
import { AliasBadge, DeploymentLink, GateBadge, StageBadge } from "../ui/domain";
import {
  Ago,
  ApiLinks,
  Badge,
  Button,
  Copy,
  Empty,
  Failure,
  PageHead,
  Panel,
  Scroll,
  Waiting,
} from "../ui/kit";
import { toast } from "../ui/toast";
import { HistoryTable, StageTimeline } from "./model_history";
import { VersionDetail } from "./model_version";

function Versions({ model, selected }: { model: ModelDetail; selected: number | undefined }) {
  const { project } = useParams({ from: "/p/$project/models/$name" });
  const navigate = useNavigate();
  return (
    <Panel title="Versions" note={plural(model.versions.length, "version")} flush>
      <Scroll label="Versions">
        <table className="grid-table">
          <thead>
            <tr>
              <th scope="col">Version</th>
              <th scope="col">Stage</th>
              <th scope="col">Gate</th>
              <th scope="col">Approvals</th>
              <th scope="col">Digest</th>
              <th scope="col" className="num">
                Registered
              </th>
            </tr>
          </thead>
          <tbody>
            {model.versions.map((v) => (
              <tr
                key={v.version}
                data-row
                data-selected={v.version === selected}
                data-testid={`version-${v.version}`}
                className="cursor-pointer"
                onClick={() =>
                  void navigate({
                    to: "/p/$project/models/$name",
                    params: { project, name: model.name },
                    search: { v: v.version },
                  })
                }
              >
                <td className="whitespace-nowrap">
                  <span className="flex items-center gap-1.5">
                    <Link
                      to="/p/$project/models/$name"
                      params={{ project, name: model.name }}
                      search={{ v: v.version }}
                      aria-current={v.version === selected ? "true" : undefined}
                      className="link font-medium"
                    >
                      v{v.version}
                    </Link>
                    {v.aliases.map((a) => (
                      <AliasBadge key={a} alias={a} />
                    ))}
                  </span>
                </td>
                <td data-testid="stage">
                  <StageBadge stage={v.stage} />
                </td>
                <td data-testid="gate">
                  <GateBadge gate={v.gate} />
                </td>
                <td data-testid="approvals">
                  {v.approvals.length === 0 ? (
                    <span className="text-ink-3">none</span>
                  ) : (
                    <span className="flex flex-wrap gap-1">
                      {v.approvals.map((a) => (
                        <Badge
                          key={`${a.actor}${a.created_ms}`}
                          tone={a.decision === "approved" ? "good" : "bad"}
                          icon={a.decision === "approved" ? "check" : "cross"}
                        >
                          {a.actor}
                        </Badge>
                      ))}
                    </span>
                  )}
                </td>
                <td className="font-mono text-ink-2 text-xs">{short_digest(v.digest)}</td>
                <td className="num text-ink-2">
                  <Ago ms={v.created_ms} />
                  <div className="text-ink-3 text-xs">by {v.created_by}</div>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function RollbackDialog({
  model,
  live,
  back_to,
  on_close,
}: {
  model: ModelDetail;
  live: ModelVersion;
  back_to: StageSpan;
  on_close: () => void;
}) {
  const { project } = useParams({ from: "/p/$project/models/$name" });
  const client = useQueryClient();
  return (
    <Confirm
      title={`Roll ${model.name} back to v${back_to.version}?`}
      action={`Roll back to v${back_to.version}`}
      danger
      ask="Reason"
      ask_required
      type_to_confirm={model.name}
      on_close={on_close}
      run={async (reason) => {
        await call(project, `/models/${encodeURIComponent(model.name)}/rollback`, {
          method: "POST",
          body: { reason },
        });
        await client.invalidateQueries({ queryKey: [project] });
        toast(`${model.name} is back on v${back_to.version}`);
      }}
    >
      <p>
        v{live.version} leaves production and v{back_to.version} returns, in one transaction with
        its ledger event.
      </p>
      {model.deployments.length > 0 && (
        <p>Deployments that follow the champion swap at once: {model.deployments.join(", ")}.</p>
      )}
    </Confirm>
  );
}

export function Model() {
  const { project, name } = useParams({ from: "/p/$project/models/$name" });
  const { v } = useSearch({ from: "/p/$project/models/$name" });
  const model = useQuery(model_query(project, name));
  const history = useQuery(history_query(project, name));
  const [rolling_back, set_rolling_back] = useState(false);

  if (model.error) return <Failure error={model.error} retry={() => void model.refetch()} />;
  if (!model.data) return <Waiting rows={8} />;

  const data = model.data;
  const versions = [...data.versions].sort((a, b) => b.version - a.version);
  const selected = versions.find((x) => x.version === v) ?? versions[0];
  const live = versions.find((x) => x.stage === "Production");
  const spans = history.data ?? [];
  const back_to = previous_holder(spans);
  return (
    <>
      <PageHead
        eyebrow={
          <Link to="/p/$project/models" params={{ project }} className="hover:text-ink">
            Models
          </Link>
        }
        title={name}
        badges={
          <>
            {live ? (
              <Badge tone="good" data-testid="live-version">
                v{live.version} in production
              </Badge>
            ) : (
              <Badge>nothing in production</Badge>
            )}
            <Copy text={`model:${name}`} label="reference">
              model:{name}
            </Copy>
            <ApiLinks url={api_url(project, `/models/${encodeURIComponent(name)}`)} />
          </>
        }
        sub={
          <span className="flex flex-wrap items-center gap-x-3">
            {data.description && <span>{data.description}</span>}
            {data.deployments.length > 0 && (
              <span>
                Serving{" "}
                {data.deployments.map((d, i) => (
                  <span key={d}>
                    {i > 0 && ", "}
                    <DeploymentLink name={d} />
                  </span>
                ))}
              </span>
            )}
          </span>
        }
        actions={
          live &&
          back_to && (
            <Button look="danger" icon="back" onClick={() => set_rolling_back(true)}>
              Roll back to v{back_to.version}
            </Button>
          )
        }
      />
      <div className="grid grid-cols-1 gap-5 xl:grid-cols-[minmax(0,1fr)_25rem] xl:grid-rows-[auto_1fr]">
        <div className="flex min-w-0 flex-col gap-5">
          <Panel title="Who held production" note="one bar per version, to now">
            {history.isPending ? (
              <Waiting rows={2} />
            ) : spans.length === 0 ? (
              <Empty title="No version has been in production" />
            ) : (
              <StageTimeline history={spans} />
            )}
          </Panel>
          {versions.length > 0 ? (
            <Versions model={{ ...data, versions }} selected={selected?.version} />
          ) : (
            <Panel>
              <Empty title="No versions yet" />
            </Panel>
          )}
        </div>
        {selected && (
          <div className="min-w-0 xl:col-start-2 xl:row-span-2 xl:row-start-1">
            <VersionDetail key={selected.version} model={data} version={selected} live={live} />
          </div>
        )}
        {spans.length > 0 && (
          <div className="min-w-0">
            <HistoryTable history={spans} />
          </div>
        )}
      </div>
      {rolling_back && live && back_to && (
        <RollbackDialog
          model={data}
          live={live}
          back_to={back_to}
          on_close={() => set_rolling_back(false)}
        />
      )}
    </>
  );
}
