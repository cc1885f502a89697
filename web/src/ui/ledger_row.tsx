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
  const back = /roll(ed)?_?back/.test(event.verb);
  const icons = {
    good: "check",
    bad: back ? "back" : "cross",
    warn: "warn",
    plain: undefined,
  } as const;
  return (
    <Badge tone={tone} icon={icons[tone]}>
      {event.verb}
    </Badge>
  );
}
