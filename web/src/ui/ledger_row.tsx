import { Link } from "@tanstack/react-router";
import type { LedgerEvent } from "../api/types";
import { useProject } from "../app/project";
import { subject_of, target_of, tone_of } from "../lib/ledger";
import { Badge } from "./kit";

export function Subject({ event }: { event: LedgerEvent }) {
  const project = useProject();
  const target = target_of(event);
  const text = subject_of(event);
  if (!target) return <span className="break-all font-mono text-ink-2 text-xs">{text}</span>;
  const params = { project, name: target.name };
  if (target.page === "deployment") {
    return (
      <Link to="/p/$project/deployments/$name" params={params} className="link">
        {text}
      </Link>
    );
  }
  return (
    <Link
      to={target.page === "model" ? "/p/$project/models/$name" : "/p/$project/datasets/$name"}
      params={params}
      search={{ v: target.version }}
      className="link"
    >
      {text}
    </Link>
  );
}

export function Verb({ event }: { event: LedgerEvent }) {
  const tone = tone_of(event);
  const icon =
    tone === "good" ? "check" : tone === "bad" ? "back" : tone === "warn" ? "warn" : undefined;
  return (
    <Badge tone={tone} icon={icon}>
      {event.verb}
    </Badge>
  );
}
