export { ImcaxyProvider, useImcaxy, type ImcaxyProviderProps } from "./context.js";
export { type Placeholder } from "./frame.js";
export { useImageProps, useImageStatus, useImageUrl, type ImageStatus } from "./hooks.js";
export { Image, Picture, type ImageProps, type PictureProps } from "./image.js";
export type * from "./attributes/index.js";
export type * from "./url/index.js";
