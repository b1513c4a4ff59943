"use client";
import { forwardRef, useCallback, useEffect, useRef, useState } from "react";
import type {
  ForwardedRef,
  ForwardRefExoticComponent,
  ReactElement,
  RefAttributes,
  SyntheticEvent,
} from "react";
import { useImcaxy } from "./context.js";
import { draw, marked } from "./element.js";
import type { PlainImageProps, PlainPictureProps } from "./element.js";
import { frame } from "./frame.js";
import type { Substitutes } from "./frame.js";
import type { ImageAttributes, PictureAttributes } from "./attributes/index.js";
import { useWarnings } from "./warnings.js";

declare const process: { env: { NODE_ENV?: string } };

/** Props of `<Image>`: what to show, the box to show it in, and everything that `<img>` takes. */
export type ImageProps = PlainImageProps & Substitutes;

/** Props of `<Picture>`: those of `<Image>`, and art direction. */
export type PictureProps = PlainPictureProps & Substitutes;

/** What happened to the picture of one address; before that it is loading. */
interface Outcome {
  address: string;
  ok: boolean;
}

function render(
  { placeholder, fallback, onLoad, onError, ...plain }: PictureProps,
  forwarded: ForwardedRef<HTMLImageElement>,
): ReactElement {
  const core = useImcaxy();
  const drawn = core.picture(marked(plain));
  const address = [drawn.img.src, ...drawn.sources.map(({ srcSet }) => srcSet)].join(" ");
  const [outcome, setOutcome] = useState<Outcome>();
  const ok = outcome?.address === address ? outcome.ok : undefined;

  const element = useRef<HTMLImageElement | null>(null);
  const attach = useCallback(
    (image: HTMLImageElement | null) => {
      element.current = image;
      if (typeof forwarded === "function") return forwarded(image);
      if (forwarded) forwarded.current = image;
    },
    [forwarded],
  );

  // The file whose event was handled: an event that we repeat and one that the browser still sends are one.
  const handled = useRef("");
  const settle = (event: SyntheticEvent<HTMLImageElement>): void => {
    const image = event.currentTarget;
    const file = image.currentSrc || image.src;
    if (file === handled.current) return;
    handled.current = file;
    const loaded = event.type === "load";
    const report = (): void =>
      // A fallback that has loaded leaves the picture failed.
      setOutcome((known) => (loaded && known?.address === address ? known : { address, ok: loaded }));
    // Not before its pixels can be painted: what is below would flash.
    Promise.resolve(loaded && image.decode?.()).then(report, report);
    (loaded ? onLoad : onError)?.(event);
  };
  useEffect(() => {
    // Loaded or failed before there was a handler: during hydration, or from the browser's cache.
    const image = element.current;
    if (image?.complete) image.dispatchEvent(new Event(image.naturalWidth ? "load" : "error"));
  }, [address]);

  const instead = ok === false && typeof fallback === "string";
  const image = draw(instead ? replaced(drawn, fallback) : drawn, {
    onLoad: settle,
    onError: settle,
    ...{ ref: attach },
  });
  if (process.env.NODE_ENV !== "production") useWarnings(element, plain, core, ok === true);
  return frame(image, core, plain, { placeholder, fallback }, ok);
}

/** The same elements with one address for all: each `<source>` keeps the size that it gives the box. */
function replaced({ sources, img }: PictureAttributes, address: string): PictureAttributes {
  const srcSet = address.replaceAll(" ", "%20");
  return {
    sources: sources.map((source) => ({ ...source, type: undefined, sizes: undefined, srcSet })),
    img: {
      ...img,
      sizes: undefined,
      srcSet: undefined,
      src: address,
      "data-imcaxy-failed": "",
    } as ImageAttributes,
  };
}

/** A responsive picture from the server that the provider names. */
export const Image: ForwardRefExoticComponent<ImageProps & RefAttributes<HTMLImageElement>> =
  /*#__PURE__*/ forwardRef(render);

/** `<Image>` with art direction: another picture, in another ratio, where a media query matches. */
export const Picture: ForwardRefExoticComponent<PictureProps & RefAttributes<HTMLImageElement>> =
  /*#__PURE__*/ forwardRef(render);

if (process.env.NODE_ENV !== "production") {
  Image.displayName = "Image";
  Picture.displayName = "Picture";
}
