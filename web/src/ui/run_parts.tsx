// Words of runs as they look everywhere: their state, their names, their colours in charts.
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { RunStatus } from "../api/tracking_types";
import { useProject } from "../app/project";
import { Badge, Dot, type Tone } from "./kit";

const kStatus: Record<RunStatus, { tone: Tone; label: string }> = {
  RUNNING: { tone: "info", label: "running" },
  SCHEDULED: { tone: "plain", label: "scheduled" },
  FINISHED: { tone: "good", label: "finished" },
  FAILED: { tone: "bad", label: "failed" },
  KILLED: { tone: "warn", label: "killed" },
};

export function RunStatusBadge({ status }: { status: RunStatus }) {
  const known = kStatus[status] ?? { tone: "plain" as Tone, label: status };
  return (
    <Badge tone={known.tone}>
      <Dot tone={known.tone} pulse={status === "RUNNING"} />
      {known.label}
    </Badge>
  );
}

export function RunLink({ id, children }: { id: string; children: ReactNode }) {
  const project = useProject();
  return (
    <Link to="/p/$project/runs/$id" params={{ project, id }} className="link">
      {children}
    </Link>
  );
}

const kMarks = [
  "--mark-blue",
  "--mark-red",
  "--mark-green",
  "--mark-pink",
  "--mark-orange",
  "--mark-grey",
  "--mark-sky",
];
const kDashes: (number[] | undefined)[] = [undefined, [6, 3], [2, 3], [8, 3, 2, 3]];

/** Colour and dash of the n-th run; seven times four stay apart, by the dash without the colour. */
export function mark_of(n: number): { mark: string; dash: number[] | undefined } {
  return {
    mark: kMarks[n % kMarks.length] as string,
    dash: kDashes[n % kDashes.length],
  };
}

/** The line that stands for a run in a legend. */
export function RunMark({ n }: { n: number }) {
  const { mark, dash } = mark_of(n);
  return (
    <svg width="22" height="8" aria-hidden="true" className="shrink-0">
      <line
        x1="0"
        x2="22"
        y1="4"
        y2="4"
        stroke={`var(${mark})`}
        strokeWidth="2.5"
        strokeDasharray={dash?.join(" ")}
      />
    </svg>
  );
}
