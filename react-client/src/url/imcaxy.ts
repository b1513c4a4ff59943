import { address, type Values } from "./address.js";
import { canonicalValues } from "./canonical.js";
import { check } from "./check.js";
import type { OperationName, Operations } from "./operations.js";
import type { Config } from "./types.js";

declare const process: { env: { NODE_ENV?: string } };

/** What a page asks of one image server. */
export interface Imcaxy {
  readonly config: Config;
  /**
   * The canonical URL of an operation, literally as asked: no width is snapped to the ladder.
   *
   * In development, throws a TypeError that names operation, parameter and value.
   */
  url<K extends OperationName>(
    src: string,
    operation: K,
    params: Operations[K],
    version?: string,
  ): string;
}

/** The functions of one image server; pure, so that server and browser agree. */
export const createImcaxy = (config: Config): Imcaxy => ({
  config,
  url: (src, operation, params, version) => {
    if (typeof process != "undefined" && process.env.NODE_ENV != "production")
      check(operation, params as Values);
    const values = canonicalValues(operation, params as Values);
    if (values.nocrop === false) values.nocrop = "false"; // what is false is left out otherwise
    return address(config, src, operation, values, version);
  },
});
