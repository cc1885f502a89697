// One version beside the list: the evidence first, then the buttons that it allows.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { call } from "../api/client";
import { whoami_query } from "../api/queries";
import type { GateCheck, ModelDetail, ModelVersion } from "../api/types";
import { decimal, short_digest, signed, timestamp } from "../lib/format";
import { type Allowed, may_approve, may_promote } from "../lib/registry";
import { Confirm } from "../ui/dialog";
import { AliasBadge, GateBadge, StageBadge } from "../ui/domain";
import { Icon } from "../ui/icons";
import { Ago, Button, Copy, Facts, Panel } from "../ui/kit";
import { Meter } from "../ui/spark";
import { toast } from "../ui/toast";
import { Release } from "./version_release";

function check_sentence(check: GateCheck): string {
  if (check.kind === "champion" && check.champion_value != null) {
    const gap = check.value == null ? "missing" : signed(check.value - check.champion_value);
    const least = check.threshold == null ? "" : `, at least ${decimal(check.threshold)}`;
    return `${gap} against v${check.champion_version} (${decimal(check.champion_value)})${least}`;
  }
  if (check.threshold != null) return `at least ${decimal(check.threshold)}`;
  return check.detail;
}

function Check({ check }: { check: GateCheck }) {
  const limit = check.threshold ?? check.champion_value ?? null;
  // Most metrics live in 0…1; others get a scale on which both marks can be seen.
  const scale = Math.max(1, 1.25 * Math.max(check.value ?? 0, limit ?? 0) - 0.25);
  return (
    <li className="flex flex-col gap-1 py-2.5" data-testid={`check-${check.name}`}>
      <div className="flex items-center gap-2 text-sm">
        <Icon
          name={check.passed ? "check" : "cross"}
          size={14}
          className={check.passed ? "text-good" : "text-bad"}
        />
        <span className="font-medium">{check.metric}</span>
        <span className="sr-only">{check.passed ? "passed" : "failed"}</span>
        <span className="ml-auto font-semibold" data-testid="value">
          {check.value == null ? "missing" : decimal(check.value)}
        </span>
      </div>
      <Meter
        at={(check.value ?? 0) / scale}
        limit={limit === null ? null : limit / scale}
        good={check.passed}
        label={`${check.metric} ${decimal(check.value)}, limit ${decimal(limit)}`}
      />
      <div className="text-ink-3 text-xs" title={check.detail}>
        {check_sentence(check)}
      </div>
    </li>
  );
}

type Action = "approve" | "reject" | "promote";

function ActionDialog({
  action,
  model,
  version,
  live,
  on_close,
}: {
  action: Action;
  model: ModelDetail;
  version: ModelVersion;
  live: ModelVersion | undefined;
  on_close: () => void;
}) {
  const { project } = useParams({ from: "/p/$project/models/$name" });
  const client = useQueryClient();
  const ref = `${model.name} v${version.version}`;
  const post = async (verb: Action, body: unknown) => {
    await call(
      project,
      `/models/${encodeURIComponent(model.name)}/versions/${version.version}/${verb}`,
      {
        method: "POST",
        body,
      },
    );
    await client.invalidateQueries({ queryKey: [project] });
  };
  if (action === "promote") {
    return (
      <Confirm
        title={`Promote ${ref} to production?`}
        action={`Promote v${version.version}`}
        type_to_confirm={model.name}
        on_close={on_close}
        run={async () => {
          await post("promote", { stage: "Production" });
          toast(`${ref} is in production`);
        }}
      >
        <p>
          {live
            ? `v${live.version} is archived and v${version.version} takes its place`
            : `v${version.version} becomes the first version in production`}
          ; the alias champion moves with it, in one transaction with its ledger event.
        </p>
        {model.deployments.length > 0 && (
          <p>Deployments that follow the champion swap at once: {model.deployments.join(", ")}.</p>
        )}
      </Confirm>
    );
  }
  const approving = action === "approve";
  return (
    <Confirm
      title={`${approving ? "Approve" : "Reject"} ${ref}?`}
      action={approving ? "Approve" : "Reject"}
      danger={!approving}
      ask="Comment"
      ask_required={!approving}
      on_close={on_close}
      run={async (comment) => {
        await post(action, { comment });
        toast(`${ref} ${approving ? "approved" : "rejected"}`);
      }}
    >
      <p>
        Your name and this comment are kept with the digest that you saw,{" "}
        <span className="font-mono text-xs">{short_digest(version.digest)}</span>.
      </p>
    </Confirm>
  );
}

function Gated({ allowed, children }: { allowed: Allowed; children: React.ReactNode }) {
  return (
    <div className="flex flex-col gap-1">
      {children}
      {!allowed.ok && <span className="text-ink-3 text-xs">{allowed.why}</span>}
    </div>
  );
}

export function VersionDetail({
  model,
  version,
  live,
}: {
  model: ModelDetail;
  version: ModelVersion;
  live: ModelVersion | undefined;
}) {
  const { project } = useParams({ from: "/p/$project/models/$name" });
  const who = useQuery(whoami_query(project));
  const [action, set_action] = useState<Action | null>(null);
  const promote = may_promote(version);
  const approve = may_approve(version, who.data?.principal);
  const tags = Object.entries(version.tags);
  return (
    <div className="flex min-w-0 flex-col gap-5 xl:sticky xl:top-6" data-testid="version-detail">
      <Panel
        title={
          <span className="flex items-center gap-2">
            v{version.version} <StageBadge stage={version.stage} />
            {version.aliases.map((a) => (
              <AliasBadge key={a} alias={a} />
            ))}
          </span>
        }
        actions={<GateBadge gate={version.gate} />}
      >
        {version.description && <p className="mb-3 text-ink-2 text-sm">{version.description}</p>}
        <h3 className="label">Gate</h3>
        {version.gate ? (
          <ul className="divide-y divide-line">
            {version.gate.checks.map((check) => (
              <Check key={check.name} check={check} />
            ))}
          </ul>
        ) : (
          <p className="py-2 text-ink-2 text-sm">The gate hasn't run for this version.</p>
        )}
        <h3 className="label mt-3">Approvals</h3>
        {version.approvals.length === 0 ? (
          <p className="py-2 text-ink-2 text-sm">No decision counts yet.</p>
        ) : (
          <ul className="divide-y divide-line">
            {version.approvals.map((a) => (
              <li key={`${a.actor}${a.created_ms}`} className="py-2 text-sm">
                <div className="flex items-center gap-2">
                  <Icon
                    name={a.decision === "approved" ? "check" : "cross"}
                    size={14}
                    className={a.decision === "approved" ? "text-good" : "text-bad"}
                  />
                  <span className="font-medium">{a.actor}</span>
                  <span className="text-ink-2">{a.decision}</span>
                  <span className="ml-auto text-ink-3 text-xs">
                    <Ago ms={a.created_ms} />
                  </span>
                </div>
                {a.comment && <p className="mt-0.5 pl-[22px] text-ink-2 text-xs">{a.comment}</p>}
              </li>
            ))}
          </ul>
        )}
        {version.stage !== "Production" && (
          <div className="mt-4 flex flex-col gap-3 border-line border-t pt-4">
            <Gated allowed={promote}>
              <Button
                look="primary"
                icon="up"
                className="w-full"
                disabled={!promote.ok}
                onClick={() => set_action("promote")}
              >
                Promote to production
              </Button>
            </Gated>
            <Gated allowed={approve}>
              <div className="grid grid-cols-2 gap-2">
                <Button icon="check" disabled={!approve.ok} onClick={() => set_action("approve")}>
                  Approve
                </Button>
                <Button
                  look="danger"
                  icon="cross"
                  disabled={who.data?.principal === version.created_by}
                  onClick={() => set_action("reject")}
                >
                  Reject
                </Button>
              </div>
            </Gated>
          </div>
        )}
      </Panel>
      <Release model={model.name} version={version.version} />
      <Panel title="Facts">
        <Facts
          rows={[
            ["Registered", `${timestamp(version.created_ms)} by ${version.created_by}`],
            [
              "Digest",
              version.digest ? (
                <Copy key="d" text={version.digest} label="digest">
                  {short_digest(version.digest)}
                </Copy>
              ) : (
                "–"
              ),
            ],
            [
              "Run",
              version.run_id ? (
                <Copy key="r" text={version.run_id} label="run id">
                  {version.run_id.slice(0, 12)}
                </Copy>
              ) : (
                "–"
              ),
            ],
            [
              "Source",
              <span key="s" className="break-all font-mono text-xs">
                {version.source || "–"}
              </span>,
            ],
            ["Status", version.status],
            ...tags.map(([key, value]): [string, React.ReactNode] => [key, value]),
          ]}
        />
      </Panel>
      {action && (
        <ActionDialog
          action={action}
          model={model}
          version={version}
          live={live}
          on_close={() => set_action(null)}
        />
      )}
    </div>
  );
}
