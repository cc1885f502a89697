// One version beside the list: the evidence first, then the buttons that the server allows.
import { useQuery } from "@tanstack/react-query";
import { version_query } from "../api/releases";
import type { GateCheck, ModelDetail, ModelVersion } from "../api/types";
import { useProject } from "../app/project";
import { decimal, short_digest, signed, timestamp } from "../lib/format";
import { AliasBadge, GateBadge, StageBadge } from "../ui/domain";
import { Icon } from "../ui/icons";
import { Ago, Copy, Facts, Failure, Panel, Waiting } from "../ui/kit";
import { Meter } from "../ui/spark";
import { VersionActions } from "./version_actions";
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

export function VersionDetail({
  model,
  version,
  live,
}: {
  model: ModelDetail;
  version: ModelVersion;
  live: ModelVersion | undefined;
}) {
  const project = useProject();
  const detail = useQuery(version_query(project, model.name, version.version));
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
        {detail.error ? (
          <Failure error={detail.error} retry={() => void detail.refetch()} />
        ) : detail.data ? (
          <VersionActions
            actions={detail.data.actions}
            model={model}
            version={version}
            live={live}
          />
        ) : (
          <Waiting rows={2} />
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
    </div>
  );
}
