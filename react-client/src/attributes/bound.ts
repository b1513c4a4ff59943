import type { Config } from "../url/types.js";
import { imageAttributes, imageUrl, pictureAttributes } from "./attributes.js";
import type { ImageAttributes, ImageOptions, OptionName, PictureAttributes, PictureOptions } from "./types.js";

/** What decides how the pictures of one image server are asked for; pure, so server and browser agree. */
export interface Attributes {
  readonly config: Config;
  /** The URL of the picture in `options` at the ladder's width for `width`. */
  urlAt(options: ImageOptions, width: number): string;
  /** Attributes of an `<img>`; what is no option is passed on. */
  image<Props extends ImageOptions>(options: Props): ImageAttributes & Omit<Props, OptionName>;
  /** Attributes of a `<picture>`'s `<source>`s, in their order, and of its `<img>`. */
  picture(options: PictureOptions): PictureAttributes;
}

/** The functions of this module, bound to one image server. */
export const createAttributes = (config: Config): Attributes => ({
  config,
  urlAt: (options, width) => imageUrl(config, options, width),
  image: (options) => imageAttributes(config, options),
  picture: (options) => pictureAttributes(config, options),
});
