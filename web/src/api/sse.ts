// The event-stream format of the HTML standard, fed with text in pieces of any size.

export interface SseEvent {
  id: string;
  type: string;
  data: string;
}

export class SseParser {
  private buffer = "";
  private id = "";
  private type = "";
  private data: string[] = [];

  constructor(private readonly on_event: (event: SseEvent) => void) {}

  feed(chunk: string): void {
    this.buffer += chunk;
    for (;;) {
      const end = this.buffer.search(/\r\n|\n|\r/);
      if (end < 0) return;
      // A lone CR at the very end may be the first half of CRLF: wait for the next piece.
      if (this.buffer[end] === "\r" && end === this.buffer.length - 1) return;
      const skip = this.buffer.startsWith("\r\n", end) ? 2 : 1;
      const line = this.buffer.slice(0, end);
      this.buffer = this.buffer.slice(end + skip);
      this.line(line);
    }
  }

  private line(line: string): void {
    if (line === "") {
      if (this.data.length > 0) {
        this.on_event({ id: this.id, type: this.type || "message", data: this.data.join("\n") });
      }
      this.type = "";
      this.data = [];
      return;
    }
    if (line.startsWith(":")) return;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.data.push(value);
    else if (field === "event") this.type = value;
    else if (field === "id" && !value.includes("\0")) this.id = value;
  }
}
