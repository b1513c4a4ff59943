export { createImcaxy, type Imcaxy } from "./imcaxy.js";
export { WIDTHS } from "./ladder.js";
export type * from "./operations.js";
export { parse, type ParsedUrl } from "./parse.js";
export type * from "./types.js";
