import type { Common, Format } from "./operations.js";

/** What all pictures of a page have in common; plain data, so it crosses from server to client. */
export interface Config {
  /** Address of the server's image endpoint, such as `https://img.example.com/imaginary`. */
  baseUrl: string;
  /** Relative sources are resolved against this URL; without it they are paths in the server's directory. */
  sourceBase?: string | undefined;
  /** Widths in rising order that components ask for; `WIDTHS` without it. */
  widths?: readonly number[] | undefined;
  /** 1 to 100; the server's 75 without it. */
  quality?: number | undefined;
  /** `auto` without it. */
  format?: Format | "auto" | undefined;
  /** Becomes `v` of every URL: a new one makes browsers ask again. */
  version?: string | undefined;
  /** Screens above this density get the pictures of this one; 2 without it. */
  maxDpr?: number | undefined;
  /** Whether the visitor asks to save data: densities are then capped at 1. */
  saveData?: boolean | undefined;
}

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
    alt?: string | undefined;
    /** Loaded at once and before others. */
    priority?: boolean | undefined;
    loading?: "lazy" | "eager" | undefined;
  };

/** Attributes of an `<img>`, in the order in which they have to be set: `src` last. */
export interface ImageAttributes {
  alt?: string | undefined;
  width?: number | undefined;
  height?: number | undefined;
  loading: "lazy" | "eager";
  decoding: "async" | "auto";
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
  formats?: readonly Format[] | undefined;
};

/** Attributes of a `<source>`. */
export interface SourceAttributes {
  media?: string | undefined;
  type?: string | undefined;
  width?: number | undefined;
  height?: number | undefined;
  sizes?: string | undefined;
  srcSet: string;
}

export interface PictureAttributes {
  sources: SourceAttributes[];
  img: ImageAttributes;
}

/** Attributes of a `<link>` that begins the download of a picture; they match the `<img>`'s. */
export interface PreloadAttributes {
  rel: "preload";
  as: "image";
  fetchPriority: "high";
  imageSizes?: string | undefined;
  imageSrcSet?: string | undefined;
  href: string;
}
