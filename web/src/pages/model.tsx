import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { api_url, call } from "../api/client";
import { model_query } from "../api/queries";
import { version_query } from "../api/releases";
import type { ModelDetail, ModelVersion } from "../api/types";
import { plural, short_digest } from "../lib/format";
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
import { GateEvidence } from "./gate_evidence";
import { ModelTimeline } from "./model_history";
import { VersionDetail } from "./model_version";
import { Refusal } from "./version_actions";

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
  back_to: number;
  on_close: () => void;
}) {
  const { project } = useParams({ from: "/p/$project/models/$name" });
  const client = useQueryClient();
  return (
    <Confirm
      title={`Roll ${model.name} back to v${back_to}?`}
      action={`Roll back to v${back_to}`}
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
        toast(`${model.name} is back on v${back_to}`);
      }}
    >
      <p>
        v{live.version} leaves production and v{back_to} returns, in one transaction with its ledger
        event.
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
  const live = model.data?.versions.find((x) => x.stage === "Production");
  const live_detail = useQuery({
    ...version_query(project, name, live?.version ?? 0),
    enabled: live !== undefined,
  });
  const [rolling_back, set_rolling_back] = useState(false);

  if (model.error) return <Failure error={model.error} retry={() => void model.refetch()} />;
  if (!model.data) return <Waiting rows={8} />;

  const data = model.data;
  const versions = [...data.versions].sort((a, b) => b.version - a.version);
  const selected = versions.find((x) => x.version === v) ?? versions[0];
  const rollback = live_detail.data?.actions.find((a) => a.action === "rollback");
  const back_to = rollback?.back_to;
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
          rollback && (
            <span className="flex flex-col items-end gap-1">
              <Button
                look="danger"
                icon="back"
                disabled={!rollback.allowed}
                data-reason={rollback.reason}
                onClick={() => set_rolling_back(true)}
              >
                {back_to === undefined ? "Roll back" : `Roll back to v${back_to}`}
              </Button>
              <Refusal action={rollback} />
            </span>
          )
        }
      />
      <div className="grid grid-cols-1 gap-5 xl:grid-cols-[minmax(0,1fr)_25rem]">
        <div className="flex min-w-0 flex-col gap-5">
          <ModelTimeline name={name} />
          {versions.length > 0 ? (
            <Versions model={{ ...data, versions }} selected={selected?.version} />
          ) : (
            <Panel>
              <Empty title="No versions yet" />
            </Panel>
          )}
          {selected && <GateEvidence model={name} version={selected.version} />}
        </div>
        {selected && (
          <div className="min-w-0 xl:col-start-2 xl:row-start-1">
            <VersionDetail key={selected.version} model={data} version={selected} live={live} />
          </div>
        )}
      </div>
      {rolling_back && live && back_to !== undefined && (
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
