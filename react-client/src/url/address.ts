import type { OperationName } from "./operations.js";
import type { Config } from "./types.js";

export type Values = Record<string, unknown>;

/** The parameter that names a source, and its one spelling: an address, or a path at the server. */
export const sourceParameter = (src: string, base?: string): ["url" | "file", string] =>
  base || /^https?:/i.test(src)
    ? ["url", new URL(src, base).href.replace(/#.*/, "")]
    : ["file", src.replace(/^\/+/, "")];

/** The URL of canonical values: sorted, percent-encoded once, without what is not given. */
export const address = (
  config: Config,
  src: string,
  operation: OperationName,
  values: Values,
  version: string | undefined = config.version,
): string => {
  const [kind, source] = sourceParameter(src, config.sourceBase);
  const query = Object.entries({ ...values, [kind]: source, v: version })
    .filter(([, value]) => value)
    .map(([name, value]) => `${name}=${encodeURIComponent(value as string)}`)
    .sort()
    .join("&");
  return `${config.baseUrl}/${operation}?${query}`;
};
