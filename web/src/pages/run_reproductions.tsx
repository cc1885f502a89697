import { useParams } from "@tanstack/react-router";
import { PageHead } from "../ui/kit";
import { Reproductions } from "../ui/reproductions";

export function RunReproductions() {
  const { runId } = useParams({ from: "/p/$project/runs/$runId/reproductions" });
  return (
    <>
      <PageHead title="Reproductions" sub={`of run ${runId}`} />
      <Reproductions run_id={runId} />
    </>
  );
}
