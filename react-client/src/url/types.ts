import type { Format } from "./operations.js";

/** What all pictures of a page have in common; plain data, so it crosses from server to client. */
export interface Config {
  /** Address of the server's image endpoint, such as `https://img.example.com/imaginary`. */
  baseUrl: string;
  /** Relative sources are resolved against this URL; without it they are paths in the server's directory. */
  sourceBase?: string | undefined;
  /** Widths in rising order that components ask for; `WIDTHS` without it. */
  widths?: readonly number[] | undefined;
  /** 1 to 100; the server's 75 without it. Goes into every URL as it is. */
  quality?: number | undefined;
  /** `auto` without it. */
  format?: Format | "auto" | undefined;
  /** Becomes `v` of every URL: a new one makes browsers ask again. */
  version?: string | undefined;
  /** Screens above this density get the pictures of this one; 2 without it. */
  maxDpr?: number | undefined;
  /** Whether the visitor asks to save data: densities are then capped at 1. */
  saveData?: boolean | undefined;
}
