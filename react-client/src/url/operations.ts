/** What each operation of the server takes, down to what it cannot work without. */

export type Format =
  | "jpeg"
  | "png"
  | "webp"
  | "avif"
  | "tiff"
  | "gif"
  | "svg"
  | "pdf"
  | "heif"
  | "jxl";

export type Colour = readonly [red: number, green: number, blue: number];
export type Side = "north" | "south" | "east" | "west";

/**
 * Parameters that every operation which makes a picture reads.
 *
 * `aspectratio` is not among them: the server turns it into the other side, in whole numbers that lose
 * up to a hundredth of it, so say the other side.
 */
export interface Common {
  width?: number | undefined;
  height?: number | undefined;
  /** `auto`: what the browser accepts; without it the source's own type. */
  type?: Format | "auto" | undefined;
  /** 1 to 100; 75 without it. */
  quality?: number | undefined;
  /** 1 to 9, PNG only; 6 without it. */
  compression?: number | undefined;
  palette?: boolean | undefined;
  interlace?: boolean | undefined;
  stripmeta?: boolean | undefined;
  noprofile?: boolean | undefined;
  norotation?: boolean | undefined;
  rotate?: 90 | 180 | 270 | undefined;
  flip?: boolean | undefined;
  flop?: boolean | undefined;
  force?: boolean | undefined;
  embed?: boolean | undefined;
  extend?: "black" | "mirror" | "white" | "background" | undefined;
  background?: Colour | undefined;
  gravity?: Side | "smart" | undefined;
  colorspace?: "bw" | undefined;
  /** Standard deviation of a Gaussian blur, 0 to 1000. */
  sigma?: number | undefined;
  minampl?: number | undefined;
}

type OneSide = { width: number } | { height: number };
type BothSides = { width: number; height: number };

interface AreaSize {
  areawidth: number;
  areaheight: number;
}

interface AreaPlace {
  top?: number | undefined;
  left?: number | undefined;
}

type ZoomArea =
  | ({ top: number; left?: number | undefined } & Partial<AreaSize> & ({ areawidth: number } | { areaheight: number }))
  | ({ left: number; top?: number | undefined } & Partial<AreaSize> & ({ areawidth: number } | { areaheight: number }))
  | { top?: undefined; left?: undefined; areawidth?: undefined; areaheight?: undefined; nocrop?: undefined };

/** The parameters of the operations that a step of a pipeline may be, by the endpoint's name. */
export interface Steps {
  autorotate: Record<never, never>;
  /** The whole picture, not enlarged; `nocrop: false` crops to both sides. */
  resize: Omit<Common, "embed"> & OneSide & { nocrop?: false | undefined };
  /** The whole picture inside both sides. */
  fit: Omit<Common, "embed"> & BothSides;
  enlarge: Common & BothSides & { nocrop?: true | undefined };
  extract: Common & AreaSize & AreaPlace;
  /** Both sides filled; what is over is cut off at the sides away from `gravity`. */
  crop: Common & OneSide;
  /** As crop, around what attracts attention. */
  smartcrop: Omit<Common, "gravity"> & OneSide;
  rotate: Common & { rotate: 90 | 180 | 270 };
  flip: Omit<Common, "flip">;
  flop: Omit<Common, "flop">;
  thumbnail: Common & OneSide;
  zoom: Common & { factor: number; nocrop?: false | undefined } & ZoomArea;
  convert: Common & { type: Format | "auto" };
  blur: Common & ({ sigma: number } | { minampl: number });
  watermark: Common & {
    text: string;
    font?: string | undefined;
    dpi?: number | undefined;
    margin?: number | undefined;
    textwidth?: number | undefined;
    /** 0 to 1; 0.25 without it. */
    opacity?: number | undefined;
    noreplicate?: boolean | undefined;
    color?: Colour | undefined;
  };
  watermarkimage: Common & {
    /** Address of the picture that is drawn on top. */
    image: string;
    top?: number | undefined;
    left?: number | undefined;
    /** 0 to 1; 1 without it. */
    opacity?: number | undefined;
  };
}

// Negotiation is for the whole request: in a step the server drops it.
type NamedType = { type?: Format | undefined };
type StepName<K extends keyof Steps> = K extends "watermarkimage" ? "watermarkImage" : K;

/** One step of a pipeline; there the overlay's operation is spelt `watermarkImage`. */
export type PipelineStep = {
  [K in keyof Steps]: {
    operation: StepName<K>;
    ignore_failure?: boolean | undefined;
  } & (Record<never, never> extends Steps[K]
    ? { params?: Steps[K] & NamedType }
    : { params: Steps[K] & NamedType });
}[keyof Steps];

/** Every operation that a URL can name. */
export interface Operations extends Steps {
  info: Record<never, never>;
  /** 1 to 10 steps. */
  pipeline: { operations: readonly [PipelineStep, ...PipelineStep[]] };
}

export type OperationName = keyof Operations;
