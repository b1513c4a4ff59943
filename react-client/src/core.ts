import { createAttributes, type Attributes } from "./attributes/bound.js";
import { createImcaxy, type Imcaxy } from "./url/imcaxy.js";
import type { Config } from "./url/types.js";

/** Everything that a page asks of one image server. */
export type Core = Imcaxy & Attributes;

/** The URLs and the attributes of one configuration. */
export const createCore = (config: Config): Core => ({
  ...createAttributes(config),
  ...createImcaxy(config),
});
