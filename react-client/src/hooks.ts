"use client";
import { useEffect, useState } from "react";
import type { ComponentPropsWithoutRef, RefCallback } from "react";
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

export type ImageStatus = "loading" | "loaded" | "error";

/**
 * A ref for an `<img>`, and how far it is.
 *
 * The answer is read from the element, so it is right for a picture that was in the browser's cache, for
 * one that loaded or failed before hydration, and after `src` or `srcset` changed.
 */
export function useImageStatus(): [RefCallback<HTMLImageElement>, ImageStatus] {
  const [image, ref] = useState<HTMLImageElement | null>(null);
  const [status, setStatus] = useState<ImageStatus>("loading");
  useEffect(() => (image ? watch(image, setStatus) : undefined), [image]);
  return [ref, status];
}

function watch(image: HTMLImageElement, report: (status: ImageStatus) => void): () => void {
  // What the element itself says: a lazy image that was not asked for yet is loading.
  const look = (): void =>
    report(image.complete ? (image.naturalWidth ? "loaded" : "error") : "loading");
  const happened = ({ type }: Event): void => report(type === "load" ? "loaded" : "error");
  const changes = new MutationObserver(look);
  changes.observe(image, { attributeFilter: ["src", "srcset"] });
  const listening = new AbortController();
  for (const type of ["load", "error"]) image.addEventListener(type, happened, listening);
  look();
  return () => {
    changes.disconnect();
    listening.abort();
  };
}
