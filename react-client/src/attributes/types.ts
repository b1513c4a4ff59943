import type { Common, Format } from "../url/operations.js";

export type Layout = "constrained" | "fixed" | "fullWidth" | "fill";
/** `cover` crops to the box, `smart` crops around what attracts attention, `contain` fits into it. */
export type Fit = "cover" | "contain" | "smart";

type TwoOfThree =
  | { width: number; height: number; aspectRatio?: undefined }
  | { width: number; aspectRatio: number; height?: undefined }
  | { height: number; aspectRatio: number; width?: undefined };

/** The box that a picture is shown in, in CSS pixels. */
export type Box =
  | ({ layout?: "constrained" | "fixed" | undefined } & (TwoOfThree | { width: number; height?: undefined; aspectRatio?: undefined }))
  | { layout: "fullWidth"; aspectRatio?: number | undefined; width?: undefined; height?: undefined }
  | { layout: "fill"; width?: undefined; height?: undefined; aspectRatio?: undefined };

/** Parameters that components leave to the caller. */
export type ImageParams = Omit<
  Common,
  "width" | "height" | "type" | "quality" | "aspectratio" | "embed"
>;

/** What decides which files are offered, apart from the box. */
export interface Choice {
  /** The source on its origin, or a path in the server's directory; not a URL of the image server. */
  src: string;
  /** Width of the source in pixels: nothing wider is offered. */
  sourceWidth?: number | undefined;
  fit?: Fit | undefined;
  params?: ImageParams | undefined;
  quality?: number | undefined;
  format?: Format | "auto" | undefined;
  version?: string | undefined;
  /** Replaces the computed `sizes`. */
  sizes?: string | undefined;
}

export type ImageOptions = Choice &
  Box & {
    /** Loaded at once and before others. */
    priority?: boolean | undefined;
    loading?: "lazy" | "eager" | undefined;
  };

/** What `imageAttributes` takes for itself; everything else becomes an attribute. */
export type OptionName =
  | keyof Choice
  | "layout"
  | "width"
  | "height"
  | "aspectRatio"
  | "priority"
  | "loading";

/** Attributes of an `<img>`, in the order in which they have to be set: `src` last. */
export interface ImageAttributes {
  width?: number | undefined;
  height?: number | undefined;
  loading: "lazy" | "eager";
  decoding: "async";
  fetchPriority?: "high" | undefined;
  sizes?: string | undefined;
  srcSet?: string | undefined;
  src: string;
}

/** One case of art direction: where `media` matches, another picture. */
export type ArtDirection = Partial<Choice> & {
  media: string;
  width: number;
  height: number;
};

export type PictureOptions = ImageOptions & {
  /** Art direction; the first that matches wins. */
  sources?: readonly ArtDirection[] | undefined;
  /** Types offered by `<source type>`, best first, instead of negotiation. */
  formats?: readonly ("avif" | "webp" | "jxl" | "jpeg" | "png")[] | undefined;
};

/** Attributes of a `<source>`. */
export interface SourceAttributes {
  media?: string | undefined;
  type?: string | undefined;
  width?: number | undefined;
  height?: number | undefined;
  sizes?: string | undefined;
  srcSet: string | undefined;
}

export interface PictureAttributes {
  sources: SourceAttributes[];
  img: ImageAttributes;
}
