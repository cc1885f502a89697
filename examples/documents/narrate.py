"""What the demo says: progress lines with the time since the start, asserted numbers, the table at the end."""
import shutil
import sys
import time


class Narrator:
    """Collects measured numbers and checks while it talks; `failed` holds the checks that didn't hold."""

    def __init__(self, out=sys.stdout):
        self._out, self._start = out, time.monotonic()
        self._colour = out.isatty()
        self.rows, self.times, self.failed, self.checks = [], [], [], 0

    def seconds(self):
        return time.monotonic() - self._start

    def _paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self._colour else text

    def chapter(self, text):
        print(f"\n{self._paint('1', text)}", file=self._out, flush=True)

    def say(self, text):
        print(f"  {self._paint('2', f'{self.seconds():6.1f} s')}  {text}", file=self._out, flush=True)

    def bar(self, done, total, text):
        """A line that is drawn over; only on a terminal."""
        if not self._colour:
            return
        width = 24
        filled = width * done // max(1, total)
        line = f"  {self.seconds():6.1f} s  [{'#' * filled}{'.' * (width - filled)}] {done}/{total} {text}"
        print(f"\r{line[:shutil.get_terminal_size().columns - 1]}\033[K", end="", file=self._out, flush=True)
        if done >= total:
            print("\r\033[K", end="", file=self._out, flush=True)

    def measure(self, name, value):
        """A row of the table at the end: the same on every run over the same data."""
        self.rows.append((name, value))

    def time(self, name, value):
        """A row below it: what this machine took this time."""
        self.times.append((name, value))

    def check(self, holds, text):
        """An asserted number: the demo fails at its end when one doesn't hold."""
        self.checks += 1
        if holds:
            self.say(f"{self._paint('32', 'ok')}      {text}")
        else:
            self.failed.append(text)
            self.say(f"{self._paint('31', 'FAILED')}  {text}")

    def table(self):
        self.chapter("Measured")
        width = max(len(name) for name, _ in self.rows + self.times)
        for name, value in [*self.rows, ("", ""), *self.times]:
            print(f"  {name:<{width}}  {value}".rstrip(), file=self._out)
        held = self.checks - len(self.failed)
        print(f"\n  {held} of {self.checks} asserted numbers hold, {self.seconds():.0f} s", file=self._out)
        for text in self.failed:
            print(f"  {self._paint('31', 'FAILED')}  {text}", file=self._out)
        self._out.flush()
