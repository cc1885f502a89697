// Words of the domain as they look everywhere: stages, versions, gates, actors.
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Alert, Deployment, Gate, Stage } from "../api/types";
import { useProject } from "../app/project";
import { decimal, quantity } from "../lib/format";
import { Badge, Dot, type Tone } from "./kit";

const kStage: Record<Stage, { tone: Tone; label: string }> = {
  Production: { tone: "good", label: "Production" },
  Staging: { tone: "info", label: "Staging" },
  Archived: { tone: "plain", label: "Archived" },
  None: { tone: "plain", label: "Candidate" },
};

const kStageShape: Record<Stage, ReactNode> = {
  Production: <circle cx="4" cy="4" r="4" fill="currentColor" />,
  Staging: (
    <>
      <circle cx="4" cy="4" r="3.4" fill="none" stroke="currentColor" strokeWidth="1.2" />
      <path d="M4 0a4 4 0 0 1 0 8z" fill="currentColor" />
    </>
  ),
  Archived: (
    <rect
      x=".6"
      y=".6"
      width="6.8"
      height="6.8"
      rx="1"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.2"
    />
  ),
  None: <circle cx="4" cy="4" r="3.4" fill="none" stroke="currentColor" strokeWidth="1.2" />,
};

export function StageBadge({ stage }: { stage: Stage }) {
  const known = kStage[stage] ?? { tone: "plain" as Tone, label: stage };
  return (
    <Badge tone={known.tone}>
      <svg width="8" height="8" viewBox="0 0 8 8" aria-hidden="true">
        {kStageShape[stage]}
      </svg>
      {known.label}
    </Badge>
  );
}

export function GateBadge({ gate }: { gate: Gate | null }) {
  if (!gate) return <span className="text-ink-3">not run</span>;
  const passed = gate.checks.filter((c) => c.passed).length;
  return (
    <Badge tone={gate.passed ? "good" : "bad"} icon={gate.passed ? "check" : "cross"}>
      {gate.passed ? "passed" : "failed"} {passed}/{gate.checks.length}
    </Badge>
  );
}

export function AliasBadge({ alias }: { alias: string }) {
  return <Badge tone="note">@{alias}</Badge>;
}

export function ModelLink({
  name,
  version,
  children,
}: {
  name: string;
  version?: number;
  children?: ReactNode;
}) {
  const project = useProject();
  return (
    <Link
      to="/p/$project/models/$name"
      params={{ project, name }}
      search={version === undefined ? {} : { v: version }}
      className="link"
    >
      {children ?? (version === undefined ? name : `${name} v${version}`)}
    </Link>
  );
}

export function DeploymentLink({ name }: { name: string }) {
  const project = useProject();
  return (
    <Link to="/p/$project/deployments/$name" params={{ project, name }} className="link">
      {name}
    </Link>
  );
}

export function StateBadge({ deployment }: { deployment: Pick<Deployment, "state"> }) {
  const tone: Tone =
    deployment.state === "READY" ? "good" : deployment.state === "FAILED" ? "bad" : "warn";
  const icon =
    deployment.state === "READY" ? "check" : deployment.state === "FAILED" ? "cross" : "clock";
  return (
    <Badge tone={tone} icon={icon}>
      {deployment.state.toLowerCase()}
    </Badge>
  );
}

/** What an alert is about, in one line. */
export function alert_sentence(alert: Alert): string {
  const value = alert.kind === "performance" ? decimal(alert.value) : quantity(alert.value);
  const limit = alert.kind === "performance" ? decimal(alert.threshold) : quantity(alert.threshold);
  if (alert.kind === "drift") {
    return `${alert.feature ?? "Score"} drifted: ${value} over ${limit}`;
  }
  if (alert.kind === "performance") return `Accuracy ${value} against a floor of ${limit}`;
  return `Canary evidence ${value} against a threshold of ${limit}`;
}

export function AlertState({ alert }: { alert: Alert }) {
  return alert.resolved_us ? (
    <span className="inline-flex items-center gap-1.5 text-ink-2">
      <Dot tone="plain" /> resolved
    </span>
  ) : (
    <span className="inline-flex items-center gap-1.5 font-medium text-bad">
      <Dot tone="bad" pulse /> firing
    </span>
  );
}
