// No hook and no context here: the stateless and the interactive components render the same elements.
import { version as react } from "react";
import type { ComponentPropsWithoutRef, ReactElement } from "react";
import type { ImageAttributes, ImageOptions, PictureAttributes, PictureOptions } from "./url/index.js";

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

/** What goes to the `<img>` as it is, and the name of the layout for the style sheet. */
export function htmlOf({
  src: _src,
  alt: _alt,
  layout = "constrained",
  width: _width,
  height: _height,
  aspectRatio: _aspectRatio,
  sourceWidth: _sourceWidth,
  fit: _fit,
  params: _params,
  quality: _quality,
  format: _format,
  formats: _formats,
  version: _version,
  sizes: _sizes,
  priority: _priority,
  loading: _loading,
  sources: _sources,
  unstyled,
  ...html
}: PlainPictureProps): ImgProps {
  return unstyled ? html : Object.assign(html, { "data-imcaxy": layout });
}

/** The attributes as this version of React spells them: 18 knows `fetchpriority` only by its name in HTML. */
export function spelled({ fetchPriority, ...img }: ImageAttributes): ImgProps {
  return !fetchPriority
    ? img
    : { [react < "19" ? "fetchpriority" : "fetchPriority"]: fetchPriority, ...img };
}

/** The `<img>`, in a `<picture>` where there are several sources. */
export function draw({ sources, img }: PictureAttributes, html: ImgProps): ReactElement {
  // `src` comes last: some browsers request it when it is set before they know the other candidates.
  const { sizes, srcSet, src, ...others } = spelled(img);
  const image = <img {...others} {...html} sizes={sizes} srcSet={srcSet} src={src} />;
  if (!sources.length) return image;
  return (
    <picture data-imcaxy={"data-imcaxy" in html ? "" : undefined}>
      {sources.map((source, place) => (
        <source key={place} {...source} />
      ))}
      {image}
    </picture>
  );
}
