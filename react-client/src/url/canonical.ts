import type { OperationName } from "./operations.js";

export type Values = Record<string, unknown>;

// Without one of these (`a|b`: either) an operation cannot work; as in imcaxy/grammar/operations.py.
const NEEDS: Record<string, string> = {
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

// What an operation presumes anyway, as "operation name=value".
const PRESUMED =
  /=(0|)$|(?<!(resize|zoom) nocrop)=false$|(resize|zoom) nocrop=true$| (quality=75|compression=6|dpi=150|font=sans 10|extend=copy|gravity=centre|colorspace=srgb|(background|color)=0,0,0)$|watermark opacity=0.25$|image opacity=1$/;

/** The one spelling of a source, and whether it is a URL or a path in the server's directory. */
export const canonicalSource = (
  src: string,
  base: string | undefined,
): [name: "url" | "file", value: string] => {
  if (base || /^(https?:)?\/\//i.test(src)) {
    const url = new URL(src, base || "https://x");
    return [
      "url",
      url.origin +
        (url.pathname + url.search).replace(/[[\]^`{|}\\]|%(?![\da-f]{2})/gi, encodeURIComponent),
    ];
  }
  return ["file", src.split("/").filter((part) => part && part != ".").join("/")];
};

/**
 * The parameters in their one form: sorted, rounded, without what changes nothing.
 *
 * Throws a TypeError that names operation, parameter and value.
 */
export const canonicalValues = (operation: OperationName, given: Values): Values => {
  const values: Values = { ...given };
  resolveRatio(values);
  for (const name in values) values[name] = canonicalValue(operation, name, values[name]);
  for (const need of NEEDS[operation]?.split(" ") ?? [])
    if (!need.split("|").some((name) => values[name]))
      throw new TypeError(`imcaxy: ${operation} needs ${need}`);
  const inert = new RegExp(`^(${inertNames(values)})$`);
  return Object.fromEntries(
    Object.entries(values)
      .filter(
        ([name, value]) =>
          value != null && !inert.test(name) && !PRESUMED.test(`${operation} ${name}=${value}`),
      )
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
};

const canonicalValue = (operation: string, name: string, value: unknown): unknown => {
  if (typeof value == "number") {
    if (!(value >= 0 && value <= 65535))
      throw new TypeError(`imcaxy: ${operation} cannot take ${name}=${value}`);
    return /^(sig|min|op)/.test(name) ? value : Math.round(value);
  }
  if (name == "image") return canonicalSource(value as string, undefined)[1];
  if (name == "operations")
    return JSON.stringify((value as Values[]).map(canonicalStep));
  return Array.isArray(value) ? value.join() : value;
};

const canonicalStep = (step: Values): Values => {
  const operation = step.operation as string;
  const params = canonicalValues(operation.toLowerCase() as OperationName, step.params as Values);
  return {
    ...(step.ignore_failure ? { ignore_failure: true } : {}),
    operation,
    ...(Object.keys(params).length ? { params } : {}),
  };
};

const inertNames = ({ type, palette, sigma }: Values): string =>
  (sigma ? "minampl|" : "") +
  (type == "png"
    ? palette
      ? ""
      : "quality"
    : type && type != "auto"
      ? `compression|palette${/tiff|gif|svg|pdf/.test(type as string) ? "|quality" : ""}`
      : "");

// The server divides before it multiplies, in whole numbers.
const resolveRatio = (values: Values): void => {
  const [across = 0, down = 0] = String(values.aspectratio || "").split(":").map(Number);
  delete values.aspectratio;
  const { width, height } = values as { width?: number; height?: number };
  if (!across || !width == !height) return;
  if (width) values.height = Math.floor(Math.round(width) / across) * down;
  else values.width = Math.floor(Math.round(height as number) / down) * across;
};
