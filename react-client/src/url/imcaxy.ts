import { canonicalSource, canonicalValues, type Values } from "./canonical.js";
import { WIDTHS } from "./ladder.js";
import type { OperationName, Operations } from "./operations.js";
import type {
  Choice,
  Config,
  ImageAttributes,
  ImageOptions,
  PictureAttributes,
  PictureOptions,
  PreloadAttributes,
  SourceAttributes,
} from "./types.js";

/** Everything that a page asks of one image server. */
export interface Imcaxy {
  readonly config: Config;
  /** The canonical URL of any operation, literally as asked: no width is snapped. */
  url<K extends OperationName>(src: string, operation: K, params: Operations[K], version?: string): string;
  /** The URL of the picture in `options` at the ladder's width for `width`. */
  urlAt(options: ImageOptions, width: number): string;
  /** Attributes of an `<img>`. */
  image(options: ImageOptions): ImageAttributes;
  /** Attributes of a `<picture>`'s `<source>`s and `<img>`. */
  picture(options: PictureOptions): PictureAttributes;
  /** Attributes of the `<link rel="preload">` that the `<img>` of the same options takes up. */
  preload(options: ImageOptions): PreloadAttributes;
}

const quote = (text: unknown): string =>
  encodeURIComponent(String(text)).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/** The functions that make a page's URLs and attributes; pure, so server and browser agree. */
export const createImcaxy = (config: Config): Imcaxy => {
  const widths = config.widths ?? WIDTHS;
  const maxDpr = config.saveData ? 1 : (config.maxDpr ?? 2);
  const snap = (width: number): number =>
    widths.find((step) => step >= width) ?? (widths.at(-1) as number);

  const url = (
    src: string,
    operation: OperationName,
    params: Values,
    version: string | undefined = config.version,
  ): string => {
    const [kind, source] = canonicalSource(src, config.sourceBase);
    const values = canonicalValues(operation, params);
    values[kind] = source;
    if (version) values.v = version;
    return `${config.baseUrl}/${operation}?${Object.keys(values)
      .sort()
      .map((name) => `${name}=${quote(values[name])}`)
      .join("&")}`;
  };

  const ratioOf = ({ width, height, aspectRatio }: ImageOptions): number =>
    (aspectRatio ?? (width as number) / (height as number)) || 0;

  const urlAt = (options: ImageOptions, asked: number): string => {
    const width = snap(asked);
    const ratio = ratioOf(options);
    return url(
      options.src,
      ratio
        ? options.fit == "contain"
          ? "fit"
          : options.fit == "smart"
            ? "smartcrop"
            : "crop"
        : "resize",
      {
        type: options.format ?? config.format ?? "auto",
        quality: options.quality ?? config.quality,
        ...options.params,
        width,
        height: ratio ? width / ratio : undefined,
      },
      options.version,
    );
  };

  const image = (options: ImageOptions): ImageAttributes => {
    const { src, alt, layout, priority, sourceWidth = Infinity } = options;
    const ratio = ratioOf(options);
    const fixed = layout == "fixed";
    const given = options.width ?? (options.height && options.height * ratio);
    const loading = options.loading ?? (priority ? "eager" : "lazy");
    const most = Math.min(given ? snap(given * maxDpr) : Infinity, snap(sourceWidth));
    const steps = fixed
      ? [snap(given as number), snap((given as number) * maxDpr)]
      : widths.filter((step) => step <= most && step >= (given ? given / 4 : 320));
    const capped = `(min-resolution: ${maxDpr + 0.5}dppx) ${Math.round((100 * maxDpr) / (maxDpr + 1))}vw, 100vw`;
    const plain = /^(data|blob):/.test(src);
    const wide = given ?? (ratio && 1280);
    return {
      ...(alt != null && { alt }),
      ...(wide && { width: wide }),
      ...(wide && ratio && { height: Math.round(wide / ratio) }),
      loading,
      decoding: "async",
      ...(priority && { fetchPriority: "high" }),
      ...(!plain && {
        ...(!fixed && {
          sizes:
            options.sizes ??
            (loading == "lazy" && (layout == "fill" || (given && ratio)) ? "auto, " : "") +
              (given ? `(min-width: ${given}px) ${given}px, ` : "") +
              capped,
        }),
        srcSet: [...new Set(steps)]
          .map((step, index) => `${urlAt(options, step)} ${fixed ? `${index + 1}x` : `${step}w`}`)
          .join(", "),
      }),
      src: plain ? src : urlAt(options, Math.min(given ?? 1280, sourceWidth)),
    } as ImageAttributes;
  };

  const picture = (options: PictureOptions): PictureAttributes => {
    const { sources = [], formats = [], ...rest } = options;
    const cases: (Partial<Choice> & { media?: string })[] = formats.length ? [...sources, {}] : [...sources];
    return {
      sources: cases.flatMap((art) =>
        (formats.length ? formats : [undefined]).map((format) => {
          const { sizes, srcSet, width, height } = image({
            ...rest,
            ...(art.media && { aspectRatio: undefined }),
            ...art,
            ...(format && { format }),
          } as ImageOptions);
          return {
            media: art.media,
            type: format && `image/${format}`,
            width,
            height,
            sizes,
            srcSet,
          } as SourceAttributes;
        }),
      ),
      img: image(rest as ImageOptions),
    };
  };

  const preload = (options: ImageOptions): PreloadAttributes => {
    const { sizes, srcSet, src } = image({ ...options, priority: true });
    return {
      rel: "preload",
      as: "image",
      fetchPriority: "high",
      imageSizes: sizes,
      imageSrcSet: srcSet,
      href: src,
    };
  };

  return { config, url: url as Imcaxy["url"], urlAt, image, picture, preload };
};
