"use client";
import type { ComponentPropsWithoutRef } from "react";
import { useImcaxy } from "./context.js";
import { spelled } from "./element.js";
import type { ImageOptions } from "./attributes/index.js";

/**
 * The URL of a picture at the ladder's width for `width`: for what is no `<img>`, such as a background or a link.
 *
 * Any operation, literally: `createImcaxy(useImcaxy().config).url(…)` of `@imcaxy/react/url`.
 */
export function useImageUrl(options: ImageOptions, width: number): string {
  return useImcaxy().urlAt(options, width);
}

/** The attributes of an `<img>` of one's own: `<img {...useImageProps({ src, alt, width, height })} />`. */
export function useImageProps(options: ImageOptions): ComponentPropsWithoutRef<"img"> {
  return spelled(useImcaxy().image(options));
}
