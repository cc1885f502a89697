// Dialogs on the platform's own <dialog>: focus trap, Esc and inert background come with it, and no
// library has to inject a style element that the content security policy would refuse.
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { ApiError } from "../api/client";
import { Button, Failure } from "./kit";

export function Dialog({
  title,
  children,
  on_close,
}: {
  title: string;
  children: ReactNode;
  on_close: () => void;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const node = ref.current;
    if (node && !node.open) node.showModal();
  }, []);
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      onClose={on_close}
      className="m-auto w-[min(30rem,calc(100vw-2rem))] rounded-xl border border-line bg-raised p-0 text-ink shadow-(--shadow-lg)"
    >
      <div className="flex flex-col gap-4 p-5">
        <h2 id={id} className="font-semibold text-base">
          {title}
        </h2>
        {children}
      </div>
    </dialog>
  );
}

export interface ConfirmProps {
  title: string;
  /** What will change, in sentences. */
  children: ReactNode;
  action: string;
  danger?: boolean;
  /** Label of a text field whose content is handed to `run`. */
  ask?: string;
  ask_required?: boolean;
  /** The reader types this to show that they mean it. */
  type_to_confirm?: string;
  run: (text: string) => Promise<unknown>;
  on_close: () => void;
}

const kField =
  "w-full rounded-lg border border-line-strong bg-panel px-3 py-1.5 text-sm placeholder:text-ink-3";

export function Confirm(props: ConfirmProps) {
  const [text, set_text] = useState("");
  const [typed, set_typed] = useState("");
  const [busy, set_busy] = useState(false);
  const [error, set_error] = useState<unknown>(null);
  const ready =
    (!props.ask_required || text.trim() !== "") &&
    (!props.type_to_confirm || typed === props.type_to_confirm);

  async function submit() {
    if (!ready || busy) return;
    set_busy(true);
    set_error(null);
    try {
      await props.run(text.trim());
      props.on_close();
    } catch (cause) {
      set_error(cause instanceof ApiError ? cause : new Error(String(cause)));
    } finally {
      set_busy(false);
    }
  }

  return (
    <Dialog title={props.title} on_close={props.on_close}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <div className="flex flex-col gap-2 text-ink-2 text-sm">{props.children}</div>
        {props.ask && (
          <label className="flex flex-col gap-1 text-sm">
            <span className="label">
              {props.ask}
              {!props.ask_required && " (optional)"}
            </span>
            <textarea
              rows={2}
              className={kField}
              value={text}
              onChange={(event) => set_text(event.target.value)}
            />
          </label>
        )}
        {props.type_to_confirm && (
          <label className="flex flex-col gap-1 text-sm">
            <span className="label">
              Type <b className="font-mono text-ink">{props.type_to_confirm}</b> to confirm
            </span>
            <input
              className={kField}
              autoComplete="off"
              spellCheck={false}
              value={typed}
              onChange={(event) => set_typed(event.target.value)}
            />
          </label>
        )}
        {error !== null && <Failure error={error} />}
        <div className="flex justify-end gap-2">
          <Button look="quiet" onClick={props.on_close}>
            Cancel
          </Button>
          <Button
            type="submit"
            look={props.danger ? "danger" : "primary"}
            disabled={!ready || busy}
          >
            {busy ? "Working…" : props.action}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
