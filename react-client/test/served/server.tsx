import { renderToString } from "react-dom/server";
import { gallery, type Gallery } from "./gallery.js";

export const html = (shown: Gallery): string => renderToString(gallery(shown));
