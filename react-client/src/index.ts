export { ImcaxyProvider, useImcaxy, type ImcaxyProviderProps } from "./context.js";
export { type Placeholder } from "./frame.js";
export { useImageProps, useImageUrl } from "./hooks.js";
export { Image, Picture, type ImageProps, type PictureProps } from "./image.js";
export { useImageStatus, type ImageStatus } from "./status.js";
export type * from "./attributes/index.js";
export type * from "./url/index.js";
