import { hydrateRoot } from "react-dom/client";
import { gallery, type Gallery } from "./gallery.js";

const root = document.getElementById("root") as HTMLElement;
hydrateRoot(root, gallery(JSON.parse(root.dataset.gallery as string) as Gallery));
document.documentElement.dataset.hydrated = "";
