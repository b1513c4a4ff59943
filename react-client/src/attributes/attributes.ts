import { address } from "../url/address.js";
import { WIDTHS } from "../url/ladder.js";
import type { Config } from "../url/types.js";
import type {
  ArtDirection,
  ImageAttributes,
  ImageOptions,
  OptionName,
  PictureAttributes,
  PictureOptions,
} from "./types.js";

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

/** The functions that make the attributes of one image server's pictures. */
export const createAttributes = (config: Config): Attributes => {
  const widths = config.widths ?? WIDTHS;
  const dpr = config.saveData ? 1 : (config.maxDpr ?? 2);
  const snap = (wanted: number): number =>
    widths.find((step) => step >= wanted) ?? (widths.at(-1) as number);

  const image = ({
      src,
      layout,
      height,
      aspectRatio,
      width = height && Math.round(height * (aspectRatio as number)),
      sourceWidth = Infinity,
      priority,
      loading = priority ? "eager" : "lazy",
      sizes,
      fit,
      params,
      quality = config.quality,
      format = config.format ?? "auto",
      version,
      ...rest
    }: ImageOptions): ImageAttributes => {
    const ratio = aspectRatio ?? (width as number) / (height as number);
    const shown = width || 1280;
    const most = snap(Math.min((width as number) * dpr || Infinity, sourceWidth));
    const least = Math.min(most, layout == "fixed" ? snap(shown) : (width as number) / 4 || 320);
    const plain = /^(data|blob):/.test(src);
    const at = (step: number): string =>
      plain
        ? src
        : address(
            config,
            src,
            ratio ? (fit == "contain" ? "fit" : fit == "smart" ? "smartcrop" : "crop") : "resize",
            {
              ...params,
              type: format,
              quality,
              width: step,
              height: ratio && Math.round(step / ratio),
            },
            version,
          );
    return {
      ...rest,
      width: width || ratio ? shown : undefined,
      height: Math.round(shown / ratio) || undefined,
      loading,
      decoding: "async",
      fetchPriority: priority ? "high" : undefined,
      ...(!plain && {
        sizes:
          sizes ??
          (loading == "lazy" && (layout == "fill" || ratio) ? "auto, " : "") +
            (width ? `(min-width: ${width}px) ${width}px, ` : "") +
            `(min-resolution: ${dpr + 0.5}dppx) ${Math.round((100 * dpr) / (dpr + 1))}vw, 100vw`,
        srcSet: widths
          .filter((step) => step <= most && step >= least)
          .map((step) => `${at(step)} ${step}w`)
          .join(", "),
      }),
      src: at(snap(Math.min(shown, sourceWidth))),
    };
  };

  const picture = ({ sources = [], formats, ...rest }: PictureOptions): PictureAttributes => ({
    // Where only types are offered, the picture itself is the one case of art direction.
    sources: [...sources, ...(formats ? [rest as ArtDirection] : [])].flatMap(
      ({ media, width, height, ...choice }) =>
        (formats ?? [undefined]).map((format) => {
          const made = image({
            ...rest,
            ...choice,
            aspectRatio: width / height || rest.aspectRatio,
            ...((rest.width || rest.height) && { width, height }),
            ...(format && { format }),
          } as ImageOptions);
          return {
            media,
            type: format && `image/${format}`,
            width: made.width,
            height: made.height,
            sizes: made.sizes,
            srcSet: made.srcSet,
          };
        }),
    ),
    // Without negotiation the <img> is for browsers that know none of the types: the source's own.
    img: image({ ...rest, format: rest.format ?? (formats && "") } as ImageOptions),
  });
  return {
    config,
    urlAt: (options, width) => {
      const aspectRatio =
        options.aspectRatio ?? (options.width as number) / (options.height as number);
      return image({ ...options, aspectRatio, width, height: undefined } as ImageOptions).src;
    },
    image: image as Attributes["image"],
    picture,
  };
};
