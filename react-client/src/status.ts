"use client";
import { useCallback, useRef, useState } from "react";
import type { RefCallback } from "react";

export type ImageStatus = "loading" | "loaded" | "error";

/**
 * A ref for an `<img>`, and how far it is.
 *
 * The answer is read from the element, so it is right for a picture that was in the browser's cache, for
 * one that loaded or failed before hydration, and after `src` or `srcset` changed.
 */
export function useImageStatus(): [RefCallback<HTMLImageElement>, ImageStatus] {
  const [status, setStatus] = useState<ImageStatus>("loading");
  const stop = useRef<(() => void) | null>(null);
  const ref = useCallback((image: HTMLImageElement | null) => {
    stop.current?.();
    stop.current = image && watch(image, setStatus);
  }, []);
  return [ref, status];
}

function watch(image: HTMLImageElement, report: (status: ImageStatus) => void): () => void {
  const look = (): void => report(statusOf(image));
  const loaded = (): void => report("loaded");
  const failed = (): void => report("error");
  const changes = new MutationObserver(look);
  changes.observe(image, { attributeFilter: ["src", "srcset"] });
  image.addEventListener("load", loaded);
  image.addEventListener("error", failed);
  look();
  return () => {
    changes.disconnect();
    image.removeEventListener("load", loaded);
    image.removeEventListener("error", failed);
  };
}

/** What the element itself says: a lazy image that was not asked for yet is loading. */
export function statusOf(image: HTMLImageElement): ImageStatus {
  return !image.complete ? "loading" : image.naturalWidth ? "loaded" : "error";
}
