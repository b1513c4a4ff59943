import type { OperationName } from "./operations.js";

/** What a URL of the image server asks for. */
export interface ParsedUrl {
  operation: OperationName;
  params: Record<string, unknown>;
  src: string;
  version?: string;
}

const colour = (text: string): number[] => text.split(",").map(Number);

const value = (name: string, text: string): unknown =>
  name == "operations"
    ? JSON.parse(text, (key, held: unknown) => (/^(background|color)$/.test(key) ? colour(held as string) : held))
    : /^(background|color)$/.test(name)
      ? colour(text)
      : /^(true|false)$/.test(text)
        ? text == "true"
        : /^(text|font)$/.test(name) || isNaN(+text)
          ? text
          : +text;

/** The inverse of `url`: what it was called with, in canonical form. */
export const parse = (url: string): ParsedUrl => {
  const { pathname, searchParams } = new URL(url, "https://x");
  const params = Object.fromEntries(
    [...searchParams].map(([name, text]) => [name, value(name, text)]),
  );
  const { url: address, file, v, ...rest } = params;
  return {
    operation: pathname.slice(pathname.lastIndexOf("/") + 1) as OperationName,
    params: rest,
    src: (address ?? file) as string,
    ...(v != null && { version: searchParams.get("v") as string }),
  };
};
