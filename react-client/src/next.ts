// No "use client": next.config.ts reads this too. The file that images.loaderFile names has it.
import { createImcaxy } from "./url/imcaxy.js";
import { WIDTHS } from "./url/ladder.js";
import type { Config } from "./url/types.js";

/** What next/image hands to a loader. */
export interface LoaderOptions {
  src: string;
  width: number;
  quality?: number | undefined;
}

/**
 * A loader for the file that `images.loaderFile` names, which begins with `"use client"`.
 *
 * next/image does not tell a loader the height: the picture keeps its own shape.
 */
export const createLoader = (config: Config): ((options: LoaderOptions) => string) => {
  const { url } = createImcaxy(config);
  return ({ src, width, quality = config.quality }) =>
    url(src, "resize", { width, quality, type: config.format ?? "auto" });
};

/** The part of next.config's `images` that has next/image ask for the widths of the ladder only. */
export const nextImageConfig = (
  widths: readonly number[] = WIDTHS,
): { deviceSizes: number[]; imageSizes: number[] } => ({
  imageSizes: widths.filter((width) => width < 640),
  deviceSizes: widths.filter((width) => width >= 640),
});
