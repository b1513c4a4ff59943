export { createAttributes, type Attributes } from "./attributes.js";
export type * from "./types.js";
export type { Config } from "../url/types.js";
