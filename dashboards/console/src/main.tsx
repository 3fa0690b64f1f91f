import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { queryClient } from "./api/queries";
import { useLanguage } from "./i18n";
import { router } from "./router";
import { applyTheme } from "./shell/theme";
import "./shared/theme.css";
import "./shared/shared.css";

applyTheme();

/** A change of language draws everything again: no text may stay in the other one. */
function App() {
  const language = useLanguage();
  return <RouterProvider key={language} router={router} />;
}

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queryClient}>
        <App />
      </QueryClientProvider>
    </StrictMode>,
  );
}
