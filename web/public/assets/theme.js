// Runs before the first paint, so that a chosen theme never flashes. A file, not an inline script,
// because the content security policy allows no inline code.
(() => {
  try {
    const choice = localStorage.getItem("slipway.theme");
    if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
  } catch {
    // Storage can be forbidden; the system's setting then holds.
  }
})();
