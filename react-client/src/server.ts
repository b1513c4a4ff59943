// Rendered where there is no browser: no hook, no context, no "use client"; nothing of it reaches the page's script.
import type { ReactElement } from "react";
import { draw, marked } from "./element.js";
import type { PlainImageProps, PlainPictureProps } from "./element.js";
import { createAttributes, type Attributes } from "./attributes/index.js";
import type { Config } from "./url/index.js";

export type { PlainImageProps, PlainPictureProps };

/** Stateless components of one image server, and the functions below them. */
export interface ServerImages extends Attributes {
  Image(props: PlainImageProps): ReactElement;
  Picture(props: PlainPictureProps): ReactElement;
}

/** `<Image>` and `<Picture>` for Server Components: `export const { Image } = createImage({ baseUrl })`. */
export function createImage(config: Config): ServerImages {
  const core = createAttributes(config);
  const Picture = (props: PlainPictureProps): ReactElement => draw(core.picture(marked(props)));
  return { ...core, Image: Picture, Picture };
}

/** The picture in the smallest width as a data URL, for the `placeholder` of a client-side `<Image>`. */
export async function getPlaceholder(
  { urlAt }: Attributes,
  src: string,
  init?: RequestInit,
): Promise<{ dataUrl: string }> {
  const answer = await fetch(urlAt({ src, layout: "fill", format: "webp" }, 1), init);
  if (!answer.ok) throw new Error(`imcaxy: ${src}: ${answer.status}`);
  const bytes = String.fromCharCode(...new Uint8Array(await answer.arrayBuffer()));
  return { dataUrl: "data:image/webp;base64," + btoa(bytes) };
}
