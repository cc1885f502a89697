// Named views of an experiment's runs: a name and the address behind it.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { drop_view, kViewTag, save_view } from "../api/tracking_queries";
import { useProject } from "../app/project";
import { Button, Failure } from "./kit";
import { toast } from "./toast";

export function Views({ id, tags }: { id: string; tags: Record<string, string> }) {
  const project = useProject();
  const client = useQueryClient();
  const [name, set_name] = useState("");
  const view = new URLSearchParams(location.search);
  view.delete("sel"); // What is selected now is no part of a view.
  const here = view.toString();
  const views = Object.entries(tags).filter(([key]) => key.startsWith(kViewTag));
  const changed = () => client.invalidateQueries({ queryKey: [project, "experiments"] });
  const save = useMutation({
    mutationFn: (called: string) => save_view(project, id, called, here),
    onSuccess: (_, called) => {
      toast(`View “${called}” saved`);
      set_name("");
      return changed();
    },
  });
  const drop = useMutation({
    mutationFn: (called: string) => drop_view(project, id, called),
    onSuccess: changed,
  });
  return (
    <div className="flex flex-wrap items-center gap-2 border-line border-b px-4 py-2 text-xs">
      <span className="text-ink-3">Views</span>
      {views.length === 0 && <span className="text-ink-3">none saved yet</span>}
      {views.map(([key, value]) => {
        const called = key.slice(kViewTag.length);
        return (
          <span
            key={key}
            className="inline-flex items-center gap-1 rounded-md bg-sunken py-0.5 pr-1 pl-2 ring-1 ring-line ring-inset"
          >
            <Link
              to="/p/$project/experiments/$id"
              params={{ project, id }}
              search={Object.fromEntries(new URLSearchParams(value))}
              className="link"
            >
              {called}
            </Link>
            <button
              type="button"
              aria-label={`Delete view ${called}`}
              className="grid size-6 place-items-center rounded text-ink-3 hover:text-bad"
              onClick={() => drop.mutate(called)}
            >
              ×
            </button>
          </span>
        );
      })}
      <form
        className="ml-auto flex items-center gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim()) save.mutate(name.trim());
        }}
      >
        <input
          aria-label="Name of the view"
          placeholder="Name this view"
          maxLength={80}
          value={name}
          onChange={(event) => set_name(event.target.value)}
          className="h-7 w-36 rounded-md border border-line-strong bg-panel px-2 placeholder:text-ink-3"
        />
        <Button type="submit" disabled={!name.trim() || save.isPending}>
          Save view
        </Button>
      </form>
      {(save.error ?? drop.error) && <Failure error={save.error ?? drop.error} />}
    </div>
  );
}
