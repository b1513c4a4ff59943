export { createAttributes, type Attributes } from "./bound.js";
export type * from "./types.js";
export type { Config } from "../url/types.js";
