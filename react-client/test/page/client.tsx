import { hydrateRoot } from "react-dom/client";
import { scene } from "./scenes.js";

const root = document.getElementById("root") as HTMLElement;
hydrateRoot(root, scene(root.dataset.scene as string));
document.documentElement.dataset.hydrated = "";
