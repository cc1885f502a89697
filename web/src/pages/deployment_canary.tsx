import type { Deployment } from "../api/types";
import { canary_sentence, evidence_position } from "../lib/canary";
import { integer, percent, quantity, short_digest, span_ms, timestamp, words } from "../lib/format";
import { Badge, Copy, Empty, Facts, Panel, useNow } from "../ui/kit";

const kTicks = [0, 0.25, 0.5, 0.75, 1];

function Evidence({
  e_value,
  threshold,
  bad,
}: {
  e_value: number | null;
  threshold: number;
  bad: boolean;
}) {
  const at = evidence_position(e_value, threshold);
  return (
    <div>
      <svg
        viewBox="0 0 100 14"
        preserveAspectRatio="none"
        className="h-4 w-full"
        role="img"
        aria-label={`Evidence against the canary: e-value ${quantity(e_value)}, threshold ${quantity(threshold)}, log scale`}
      >
        <rect y="4" width="100" height="6" rx="1" fill="var(--grid)" />
        <rect
          y="4"
          width={at * 100}
          height="6"
          fill={bad ? "var(--mark-red)" : "var(--mark-orange)"}
        />
        {kTicks.map((t) => (
          <rect
            key={t}
            x={Math.min(99.6, t * 100)}
            y={t === 1 ? 0 : 10}
            width={t === 1 ? 0.6 : 0.3}
            height={t === 1 ? 14 : 3}
            fill="var(--ink-3)"
          />
        ))}
      </svg>
      <div className="flex justify-between text-2xs text-ink-3">
        <span>1 · says nothing</span>
        <span>{quantity(threshold)} · rolls back</span>
      </div>
    </div>
  );
}

export function CanaryPanel({ deployment }: { deployment: Deployment }) {
  const now = useNow();
  const canary = deployment.canary;
  if (!canary) {
    return (
      <Panel title="Canary">
        <Empty title="No canary has run">
          A canary takes a share of the traffic and is judged on joined labels, safely at every
          moment.
        </Empty>
      </Panel>
    );
  }
  const verdict = canary.verdict;
  const bad = canary.state === "rolled_back";
  const end = canary.ended_ms ?? now;
  return (
    <Panel
      title="Canary"
      actions={
        <Badge
          tone={bad ? "bad" : canary.state === "promoted" ? "good" : "warn"}
          icon={bad ? "back" : canary.state === "promoted" ? "check" : "clock"}
          data-testid="canary-state"
        >
          {words(canary.state)}
        </Badge>
      }
    >
      <p className="mb-4 text-sm" data-testid="canary-sentence">
        {canary_sentence(canary)}
      </p>
      {verdict && (
        <>
          <div className="mb-4 grid grid-cols-3 gap-3">
            <div>
              <div className="label">e-value</div>
              <div
                className="font-semibold text-lg"
                data-testid="e-value"
                data-value={verdict.e_value ?? ""}
              >
                {quantity(verdict.e_value)}
              </div>
            </div>
            <div>
              <div className="label">Threshold</div>
              <div className="font-semibold text-lg">{quantity(verdict.threshold)}</div>
            </div>
            <div>
              <div className="label">Labelled</div>
              <div className="font-semibold text-lg" data-testid="verdict-n">
                {integer(verdict.n)}
              </div>
            </div>
          </div>
          <Evidence e_value={verdict.e_value} threshold={verdict.threshold} bad={bad} />
        </>
      )}
      <div className="mt-4">
        <Facts
          rows={[
            ["Started", timestamp(canary.started_ms)],
            [
              canary.ended_ms ? "Ran for" : "Running for",
              span_ms(Math.max(0, end - canary.started_ms)),
            ],
            ...(verdict
              ? ([
                  ["Decision", words(verdict.decision)],
                  ["Reason", verdict.reason || "–"],
                  ...(verdict.errors
                    ? [
                        [
                          "Errors",
                          `${integer(verdict.errors.stable)} stable, ${integer(verdict.errors.canary)} canary`,
                        ],
                        [
                          "Canary's share",
                          `${percent(verdict.observed_share)} of the errors, ${percent(verdict.expected_share)} expected`,
                        ],
                      ]
                    : []),
                  [
                    "Data digest",
                    verdict.data_digest ? (
                      <Copy key="d" text={verdict.data_digest} label="data digest">
                        {short_digest(verdict.data_digest)}
                      </Copy>
                    ) : (
                      "–"
                    ),
                  ],
                ] as [string, React.ReactNode][])
              : []),
          ]}
        />
      </div>
    </Panel>
  );
}
