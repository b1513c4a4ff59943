import { createElement } from "react";
import type { ReactElement, ReactNode } from "react";
import type { PlainPictureProps } from "./element.js";
import type { Attributes } from "./attributes/index.js";

/**
 * `tiny`: the picture itself in the smallest width, blurred; a request more. `color`: any CSS colour.
 * `dataUrl`: as `getPlaceholder` makes it; a Content-Security-Policy must allow `img-src data:`.
 */
export type Placeholder = "none" | "tiny" | { color: string } | { dataUrl: string };

/** What may stand below a picture or in its place. */
export interface Substitutes {
  /** Shown until the picture is there. */
  placeholder?: Placeholder | undefined;
  /** Shown in the same box when the picture cannot be: a string is an address and used as it is. */
  fallback?: ReactNode;
}

/**
 * The image in a box of its own size where something stands below it or in its place; else the image alone.
 *
 * Attributes and elements do all of it: inline styles are what a strict Content-Security-Policy refuses.
 * The image never leaves the box, so another `src` can still load in it. `ok` is undefined while it loads.
 */
export function frame(
  image: ReactElement,
  core: Attributes,
  props: PlainPictureProps,
  { placeholder = "none", fallback }: Substitutes,
  ok: boolean | undefined,
): ReactElement {
  const node = typeof fallback !== "string" && fallback;
  if (placeholder === "none" && !node) return image;
  const over = ok === false && node;
  return createElement(
    "span",
    {
      "data-imcaxy-frame": props.layout ?? "constrained",
      "data-imcaxy-failed": over ? "" : undefined,
    } as object,
    ok === undefined && placeholder !== "none" && under(core, props, placeholder),
    image,
    over && createElement("span", { "data-imcaxy-over": "" } as object, over),
  );
}

function under(
  core: Attributes,
  props: PlainPictureProps,
  placeholder: Exclude<Placeholder, "none">,
): ReactElement {
  const tiny = placeholder === "tiny";
  const common = { "data-imcaxy-under": tiny ? "tiny" : "", "aria-hidden": true };
  return !tiny && "color" in placeholder
    ? createElement(
        "svg",
        common,
        createElement("rect", { width: "100%", height: "100%", fill: placeholder.color }),
      )
    : createElement("img", {
        ...common,
        alt: "",
        loading: props.priority ? "eager" : "lazy",
        src: tiny ? core.urlAt(props, 1) : placeholder.dataUrl,
      });
}
