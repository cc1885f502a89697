// What stands between a version and production, in the server's words; nothing is decided here.
import { useQuery } from "@tanstack/react-query";
import {
  type Explanation,
  explain_query,
  type ReleaseRequest,
  type RequestApproval,
  requests_query,
} from "../api/releases";
import { useProject } from "../app/project";
import { short_digest, timestamp, words } from "../lib/format";
import { Icon } from "../ui/icons";
import { Ago, Badge, Copy, Failure, Panel, Waiting } from "../ui/kit";

function Mark({ ok }: { ok: boolean }) {
  return (
    <>
      <Icon
        name={ok ? "check" : "cross"}
        size={14}
        className={ok ? "shrink-0 text-good" : "shrink-0 text-bad"}
      />
      <span className="sr-only">{ok ? "holds" : "missing"}</span>
    </>
  );
}

function Conditions({ of }: { of: Explanation }) {
  return (
    <ul className="divide-y divide-line" data-testid="conditions">
      {of.conditions.map((c) => (
        <li key={c.condition} className="py-2 text-sm" data-testid={`condition-${c.condition}`}>
          <div className="flex items-center gap-2">
            <Mark ok={c.ok} />
            <span className="font-medium">{words(c.condition)}</span>
          </div>
          <p className="wrap-anywhere pl-[22px] text-ink-2 text-xs">{c.detail}</p>
        </li>
      ))}
    </ul>
  );
}

function Decision({ of }: { of: RequestApproval }) {
  const approved = of.decision === "approved";
  return (
    <li className="py-1.5" data-testid="decision">
      <div className="flex flex-wrap items-center gap-2">
        <span className="font-medium">{of.actor}</span>
        {of.void ? (
          <Badge tone="warn">{of.decision}, void</Badge>
        ) : (
          <Badge tone={approved ? "good" : "bad"} icon={approved ? "check" : "cross"}>
            {of.decision}
          </Badge>
        )}
        <span className="ml-auto text-ink-3 text-xs">
          <Ago ms={of.created_ms} />
        </span>
      </div>
      {of.comment && <p className="text-ink-2 text-xs">{of.comment}</p>}
      <p className="flex flex-wrap items-center gap-1 text-ink-3 text-xs">
        binds to
        <Copy text={of.binding} label="binding">
          {short_digest(of.binding)}
        </Copy>
        {of.voided_ms !== undefined && <span>void since {timestamp(of.voided_ms)}</span>}
      </p>
    </li>
  );
}

function RequestCard({ of }: { of: ReleaseRequest }) {
  const plan = of.rollback_plan;
  return (
    <li className="py-2 text-sm" data-testid={`request-${of.state}`}>
      <div className="flex flex-wrap items-center gap-2">
        <span className="font-medium">to {of.to}</span>
        <Badge>{words(of.state)}</Badge>
        <span className="ml-auto text-ink-3 text-xs">
          {of.requester}, <Ago ms={of.created_ms} />
        </span>
      </div>
      {of.comment && <p className="text-ink-2 text-xs">{of.comment}</p>}
      {of.closed_reason && (
        <p className="text-ink-2 text-xs">
          Closed{of.closed_by && ` by ${of.closed_by}`}: {of.closed_reason}
        </p>
      )}
      {plan && (
        <p className="text-ink-2 text-xs">
          {plan.version > 0 ? `Back to v${plan.version}` : "Rollback plan"} by {plan.owner},{" "}
          {plan.valid ? "valid" : "not valid"} when checked at {timestamp(plan.checked_ms)}
          {plan.detail && `: ${plan.detail}`}
        </p>
      )}
      <ul>
        {of.approvals.map((a) => (
          <Decision key={`${a.actor}${a.created_ms}`} of={a} />
        ))}
      </ul>
    </li>
  );
}

export function Release({ model, version }: { model: string; version: number }) {
  const project = useProject();
  const explained = useQuery(explain_query(project, model, version, "Production"));
  const requests = useQuery(requests_query(project, model, version));
  return (
    <Panel title="Release to production" note={explained.data?.ready ? "ready" : undefined}>
      <div data-testid="release">
        {explained.error ? (
          <Failure error={explained.error} retry={() => void explained.refetch()} />
        ) : explained.data ? (
          <Conditions of={explained.data} />
        ) : (
          <Waiting rows={3} />
        )}
        <h3 className="label mt-3">Requests</h3>
        {requests.error ? (
          <Failure error={requests.error} retry={() => void requests.refetch()} />
        ) : !requests.data ? (
          <Waiting rows={2} />
        ) : requests.data.length === 0 ? (
          <p className="py-2 text-ink-2 text-sm">Nobody has asked yet.</p>
        ) : (
          <ul className="divide-y divide-line">
            {requests.data.map((r) => (
              <RequestCard key={r.uid} of={r} />
            ))}
          </ul>
        )}
      </div>
    </Panel>
  );
}
