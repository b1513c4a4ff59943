import type { OperationName } from "./operations.js";

/** What a URL of the image server asks for, in the texts that stand there. */
export interface ParsedUrl {
  operation: OperationName;
  src: string;
  params: Record<string, string>;
  version: string | undefined;
}

/** The inverse of `url`. */
export const parse = (url: string): ParsedUrl => {
  const { pathname, searchParams } = new URL(url, "https://x");
  const { url: address, file, v, ...params } = Object.fromEntries(searchParams);
  return {
    operation: pathname.split("/").pop() as OperationName,
    src: (address ?? file) as string,
    params,
    version: v,
  };
};
