// What may be done with a version next. The server says what, why not, and who could instead.
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call } from "../api/client";
import type { Action, ActionName } from "../api/releases";
import type { ModelDetail, ModelVersion } from "../api/types";
import { useProject } from "../app/project";
import { short_digest } from "../lib/format";
import { Confirm } from "../ui/dialog";
import type { IconName } from "../ui/icons";
import { Button } from "../ui/kit";
import { toast } from "../ui/toast";

interface Shown {
  label: string; // Of the button.
  path: string;
  done: string; // "v4 " …
  icon: IconName;
  look?: "primary" | "danger";
  ask?: "Comment" | "Reason";
  ask_required?: boolean;
}

const kShown: Partial<Record<ActionName, Shown>> = {
  request: {
    label: "Ask for production",
    path: "requests",
    done: "is asked for",
    icon: "right",
    ask: "Comment",
  },
  promote: {
    label: "Promote to production",
    path: "promote",
    done: "is in production",
    icon: "up",
    look: "primary",
  },
  approve: {
    label: "Approve",
    path: "approve",
    done: "approved",
    icon: "check",
    ask: "Comment",
  },
  reject: {
    label: "Reject",
    path: "reject",
    done: "rejected",
    icon: "cross",
    look: "danger",
    ask: "Comment",
    ask_required: true,
  },
  cancel: {
    label: "Take back",
    path: "requests/cancel",
    done: "is no longer asked for",
    icon: "back",
    ask: "Reason",
  },
};
const kOrder: ActionName[] = ["promote", "request", "approve", "reject", "cancel"];

function Explained({ action, model, version, live }: ActionProps & { action: Action }) {
  if (action.action === "promote")
    return (
      <>
        <p>
          {live
            ? `v${live.version} is archived and v${version.version} takes its place`
            : `v${version.version} becomes the first version in production`}
          ; the alias champion moves with it, in one transaction with its ledger event.
        </p>
        {model.deployments.length > 0 && (
          <p>Deployments that follow the champion swap at once: {model.deployments.join(", ")}.</p>
        )}
      </>
    );
  return (
    <p>
      {action.detail}. Your name and this comment are kept with the digest that you saw,{" "}
      <span className="font-mono text-xs">{short_digest(version.digest)}</span>.
    </p>
  );
}

interface ActionProps {
  model: ModelDetail;
  version: ModelVersion;
  live: ModelVersion | undefined;
}

function ActionDialog({
  action,
  shown,
  on_close,
  ...of
}: ActionProps & { action: Action; shown: Shown; on_close: () => void }) {
  const project = useProject();
  const client = useQueryClient();
  const { model, version } = of;
  const ref = `${model.name} v${version.version}`;
  const promotes = action.action === "promote";
  return (
    <Confirm
      title={`${shown.label}: ${ref}?`}
      action={promotes ? `Promote v${version.version}` : shown.label}
      danger={shown.look === "danger"}
      ask={shown.ask}
      ask_required={shown.ask_required}
      type_to_confirm={promotes ? model.name : undefined}
      on_close={on_close}
      run={async (comment) => {
        await call(
          project,
          `/models/${encodeURIComponent(model.name)}/versions/${version.version}/${shown.path}`,
          { method: "POST", body: promotes ? { stage: action.to } : { to: action.to, comment } },
        );
        await client.invalidateQueries({ queryKey: [project] });
        toast(`${ref} ${shown.done}`);
      }}
    >
      <Explained action={action} {...of} />
    </Confirm>
  );
}

/** Why not, and who could: one line below the button. */
export function Refusal({ action }: { action: Action }) {
  if (action.allowed) return null;
  return (
    <span className="text-ink-3 text-xs" data-testid={`why-not-${action.action}`}>
      {action.detail}
      {action.who && action.who.length > 0 && `; ${action.who.join(", ")} could`}
    </span>
  );
}

export function VersionActions({ actions, ...of }: ActionProps & { actions: Action[] }) {
  const [open, set_open] = useState<Action | null>(null);
  const shown = open && kShown[open.action];
  return (
    <div className="mt-4 flex flex-col gap-3 border-line border-t pt-4" data-testid="actions">
      {kOrder.map((name) => {
        const action = actions.find((a) => a.action === name);
        const how = kShown[name];
        if (!action || !how) return null;
        return (
          <div key={name} className="flex flex-col gap-1">
            <Button
              look={how.look}
              icon={how.icon}
              className="w-full"
              disabled={!action.allowed}
              data-reason={action.reason}
              onClick={() => set_open(action)}
            >
              {how.label}
            </Button>
            <Refusal action={action} />
          </div>
        );
      })}
      {open && shown && (
        <ActionDialog action={open} shown={shown} on_close={() => set_open(null)} {...of} />
      )}
    </div>
  );
}
