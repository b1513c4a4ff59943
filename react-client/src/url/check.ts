import type { Values } from "./address.js";
import type { OperationName } from "./operations.js";

// Without one of these (`a|b`: either) an operation cannot work; as in imcaxy/grammar/operations.py.
const NEEDS: Partial<Record<OperationName, string>> = {
  resize: "width|height",
  fit: "width height",
  enlarge: "width height",
  extract: "areawidth areaheight",
  crop: "width|height",
  smartcrop: "width|height",
  rotate: "rotate",
  thumbnail: "width|height",
  zoom: "factor",
  convert: "type",
  blur: "sigma|minampl",
  watermark: "text",
  watermarkimage: "image",
  pipeline: "operations",
};
const FRACTIONS = /^(sigma|minampl|opacity)$/;
// What the server reads at most (golden/limits.json); 1e9 for what is not here.
const LARGEST: Record<string, number> = {
  sigma: 1000,
  minampl: Number.MAX_VALUE,
  opacity: Number.MAX_VALUE,
  dpi: 65535,
};

/**
 * Throws a TypeError that names operation, parameter and value, for what types could not refuse.
 *
 * Development only: a production build leaves the refusal to the server.
 */
export const check = (operation: OperationName, params: Values): void => {
  for (const [name, value] of Object.entries(params)) checkValue(operation, name, value);
  for (const need of NEEDS[operation]?.split(" ") ?? [])
    if (!need.split("|").some((name) => params[name]))
      throw new TypeError(`imcaxy: ${operation} needs ${need.replace("|", " or ")}`);
};

const checkValue = (operation: OperationName, name: string, value: unknown): void => {
  if (name == "operations")
    for (const { operation: step, params = {} } of value as Values[])
      check((step as string).toLowerCase() as OperationName, params as Values);
  if (typeof value != "number") return;
  const whole = FRACTIONS.test(name) || Number.isInteger(value);
  const largest = LARGEST[name] ?? 1e9;
  if (!(value >= 0 && value <= largest && whole))
    throw new TypeError(
      `imcaxy: ${operation} cannot take ${name}=${value}: ${whole ? `0 to ${largest}` : "a whole number"}`,
    );
};
