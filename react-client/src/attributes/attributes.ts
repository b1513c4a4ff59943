import { address } from "../url/address.js";
import { WIDTHS } from "../url/ladder.js";
import type { Config } from "../url/types.js";
import type {
  ImageAttributes,
  ImageOptions,
  OptionName,
  PictureAttributes,
  PictureOptions,
  SourceAttributes,
} from "./types.js";

const snap = (config: Config, width: number): number =>
  (config.widths ?? WIDTHS).find((step, index, all) => step >= width || !all[index + 1]) as number;

/** The URL of the picture in `options` at the ladder's width for `width`. */
export const imageUrl = (
  config: Config,
  {
    src,
    width,
    height,
    aspectRatio = (width as number) / (height as number),
    fit,
    params,
    quality = config.quality,
    format = config.format ?? "auto",
    version,
  }: ImageOptions,
  at: number,
): string => {
  const step = snap(config, at);
  return address(
    config,
    src,
    aspectRatio ? (fit == "contain" ? "fit" : fit == "smart" ? "smartcrop" : "crop") : "resize",
    {
      ...params,
      type: format,
      quality: /^[ajwh]/.test(format) && quality != 75 && quality, // encoders that have one
      width: step,
      height: aspectRatio && Math.round(step / aspectRatio),
    },
    version,
  );
};

/** The attributes of an `<img>`; what is no option is passed on. */
export const imageAttributes = <Props extends ImageOptions>(
  config: Config,
  options: Props,
): ImageAttributes & Omit<Props, OptionName> => {
  const {
    src,
    layout,
    priority,
    height,
    aspectRatio = (options.width as number) / (height as number),
    width = height && Math.round(height * aspectRatio),
    sourceWidth = Infinity,
    loading = priority ? "eager" : "lazy",
    sizes,
    fit: _fit,
    params: _params,
    quality: _quality,
    format: _format,
    version: _version,
    ...rest
  } = options as ImageOptions;
  const dpr = config.saveData ? 1 : (config.maxDpr ?? 2);
  const fixed = layout == "fixed";
  const shown = width || 1280;
  const most = snap(config, Math.min((width as number) * dpr || Infinity, sourceWidth));
  const least = Math.min(most, fixed ? snap(config, shown) : (width as number) / 4 || 320);
  const own: Omit<ImageAttributes, "src"> = {
    ...rest,
    width: width || aspectRatio ? shown : undefined,
    height: Math.round(shown / aspectRatio) || undefined,
    loading,
    decoding: "async",
    fetchPriority: priority ? "high" : undefined,
  };
  const attributes: ImageAttributes = /^(data|blob):/.test(src)
    ? { ...own, src }
    : {
        ...own,
        sizes:
          sizes ??
          (fixed
            ? `${width}px`
            : (loading == "lazy" && (layout == "fill" || aspectRatio) ? "auto, " : "") +
              (width ? `(min-width: ${width}px) ${width}px, ` : "") +
              `(min-resolution: ${dpr + 0.5}dppx) ${Math.round((100 * dpr) / (dpr + 1))}vw, 100vw`),
        srcSet: (config.widths ?? WIDTHS)
          .filter((step) => step <= most && step >= least)
          .map((step) => `${imageUrl(config, options, step)} ${step}w`)
          .join(", "),
        src: imageUrl(config, options, Math.min(shown, sourceWidth)),
      };
  return attributes as ImageAttributes & Omit<Props, OptionName>;
};

/** The attributes of a `<picture>`'s `<source>`s, in their order, and of its `<img>`. */
export const pictureAttributes = (
  config: Config,
  { sources = [], formats, ...rest }: PictureOptions,
): PictureAttributes => ({
  sources: [...sources, ...(formats ? [undefined] : [])].flatMap((art) =>
    (formats ?? [undefined]).map((format): SourceAttributes => {
      const { width, height, sizes, srcSet } = imageAttributes<ImageOptions>(config, {
        ...rest,
        ...(art && { ...art, aspectRatio: art.width / art.height }),
        ...(!rest.width && !rest.height && { width: undefined, height: undefined }),
        ...(format && { format }),
      } as ImageOptions);
      return { media: art?.media, type: format && `image/${format}`, width, height, sizes, srcSet };
    }),
  ),
  // Without negotiation the <img> is for browsers that know none of the types: the source's own.
  img: imageAttributes<ImageOptions>(config, {
    ...rest,
    format: rest.format ?? (formats && ""),
  } as ImageOptions),
});
