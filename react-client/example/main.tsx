import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "@imcaxy/react/styles.css";
import "./example.css";
import { App } from "./app.js";

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
