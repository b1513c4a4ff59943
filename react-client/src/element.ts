// No hook and no context here: the stateless and the interactive components render the same elements.
import { createElement, version as react } from "react";
import type { ComponentPropsWithoutRef, ReactElement } from "react";
import type { ImageAttributes, ImageOptions, PictureAttributes, PictureOptions } from "./attributes/index.js";

type ImgProps = ComponentPropsWithoutRef<"img">;

interface Own {
  /** What the picture shows; `""` for decoration. */
  alt: string;
  /** Leaves `data-imcaxy` out, and with it the rules of `styles.css`. */
  unstyled?: boolean | undefined;
  /** Computed. */
  srcSet?: never;
  children?: never;
}

// What `<img>` takes beyond the options of the picture.
type Html = Omit<ImgProps, keyof PictureOptions | keyof Own | "dangerouslySetInnerHTML">;

/** Props of a stateless `<Image>`. */
export type PlainImageProps = ImageOptions & Own & Html & Pick<PictureOptions, "formats">;

/** Props of a stateless `<Picture>`: those of `<Image>`, and art direction. */
export type PlainPictureProps = PlainImageProps & Pick<PictureOptions, "sources">;

interface Marked {
  "data-imcaxy"?: string;
}

/** The options with the names of layout and fit for the style sheet, which becomes an attribute with the rest. */
export function marked({ unstyled, ...props }: PlainPictureProps): PictureOptions {
  const { layout = "constrained", fit = "cover" } = props;
  return unstyled ? props : ({ ...props, "data-imcaxy": `${layout} ${fit}` } as Marked & PictureOptions);
}

/** The attributes as this version of React spells them: 18 knows `fetchpriority` only by its name in HTML. */
export function spelled({ fetchPriority, ...img }: ImageAttributes): ImgProps {
  return { [react < "19" ? "fetchpriority" : "fetchPriority"]: fetchPriority, ...img };
}

/** The `<img>` with what else it gets, in a `<picture>` where there are several sources. */
export function draw({ sources, img }: PictureAttributes, more?: ImgProps): ReactElement {
  // The attributes end with `src`: some browsers request it when it is set before they know the other candidates.
  const image = createElement("img", { ...more, ...spelled(img) });
  return sources.length
    ? createElement(
        "picture",
        { "data-imcaxy": (img as Marked)["data-imcaxy"] } as object,
        ...sources.map((source) => createElement("source", source)),
        image,
      )
    : image;
}
