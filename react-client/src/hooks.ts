"use client";
import type { ComponentPropsWithoutRef } from "react";
import { useImcaxy } from "./context.js";
import { spelled } from "./element.js";
import type { ImageOptions } from "./attributes/index.js";
import type { OperationName, Operations } from "./url/index.js";

/** The URL of one operation on a source, for what is no `<img>`: a background, a link, `og:image`. */
export function useImageUrl<K extends OperationName>(src: string, operation: K, params: Operations[K]): string {
  return useImcaxy().url(src, operation, params);
}

/** The attributes of an `<img>` of one's own: `<img {...useImageProps({ src, alt, width, height })} />`. */
export function useImageProps(options: ImageOptions): ComponentPropsWithoutRef<"img"> {
  return spelled(useImcaxy().image(options));
}
