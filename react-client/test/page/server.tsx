import { renderToString } from "react-dom/server";
import { scene } from "./scenes.js";

export const html = (name: string): string => renderToString(scene(name));
