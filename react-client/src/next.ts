import { createImcaxy } from "./url/imcaxy.js";
import { WIDTHS } from "./url/ladder.js";
import type { Config } from "./url/types.js";

/** What next/image hands to a loader. */
export interface LoaderOptions {
  src: string;
  width: number;
  quality?: number | undefined;
}

/** A loader for `images.loaderFile`; the height of the picture follows from its own shape. */
export const createLoader = (config: Config): ((options: LoaderOptions) => string) => {
  const { url } = createImcaxy(config);
  return ({ src, width, quality = config.quality }) =>
    url(src, "resize", { width, quality, type: config.format ?? "auto" });
};

/** The part of next.config's `images` that makes next/image ask for the ladder's widths only. */
export const nextImageConfig: { deviceSizes: number[]; imageSizes: number[] } = {
  imageSizes: WIDTHS.filter((width) => width < 640),
  deviceSizes: WIDTHS.filter((width) => width >= 640),
};
