import { stored } from "./stored";

export type Theme = "auto" | "light" | "dark";

export const themeStore = stored<Theme>("theme", "auto", (text): text is Theme => ["auto", "light", "dark"].includes(text));

/** Puts the chosen theme on the document; `auto` leaves it to the system. Charts listen for `spanloom-theme`. */
export function applyTheme(): void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = themeStore.get();
    document.documentElement.dataset.theme = chosen === "auto" ? (system.matches ? "dark" : "light") : chosen;
    dispatchEvent(new Event("spanloom-theme"));
  };
  themeStore.subscribe(apply);
  system.addEventListener("change", apply);
  apply();
}
