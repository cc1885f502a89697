import { useParams } from "@tanstack/react-router";

/** The project that the address names. */
export function useProject(): string {
  const params = useParams({ strict: false }) as { project?: string };
  return params.project ?? "default";
}
