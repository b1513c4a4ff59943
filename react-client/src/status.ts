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
