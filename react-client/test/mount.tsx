import { act, type ReactElement, type ReactNode } from "react";
import { createRoot, hydrateRoot, type Root } from "react-dom/client";
import * as legacy from "react-dom/test-utils";
import { afterEach } from "vitest";
import { ImcaxyProvider } from "../src/index.js";

export const BASE = "https://img.example.com/imaginary";

// React 18.2 has `act` in its test utilities, React 19 in itself.
export const acting: typeof act = act ?? (legacy as unknown as { act: typeof act }).act;

const roots: Root[] = [];

export const provided = (children: ReactNode): ReactElement => (
  <ImcaxyProvider baseUrl={BASE}>{children}</ImcaxyProvider>
);

/** Renders into the document; `again` renders something else in the same place. */
export async function mount(element: ReactElement): Promise<{
  box: HTMLElement;
  again: (element: ReactElement) => Promise<void>;
  gone: () => Promise<void>;
}> {
  const box = document.body.appendChild(document.createElement("div"));
  const root = createRoot(box);
  roots.push(root);
  const again = (next: ReactElement): Promise<void> => acting(async () => root.render(next));
  await again(element);
  return { box, again, gone: () => acting(async () => root.unmount()) };
}

/** Hydrates HTML that a server made; `before` sees the elements first, as a browser's events would. */
export async function hydrate(
  html: string,
  element: ReactElement,
  before: (box: HTMLElement) => void = () => undefined,
): Promise<HTMLElement> {
  const box = document.body.appendChild(document.createElement("div"));
  box.innerHTML = html;
  before(box);
  await acting(async () => void roots.push(hydrateRoot(box, element)));
  return box;
}

/** The one `<img>` of the picture, not of a placeholder. */
export function imgIn(box: HTMLElement): HTMLImageElement {
  const found = box.querySelectorAll<HTMLImageElement>("img:not([data-imcaxy-under])");
  if (found.length !== 1) throw new Error(`${found.length} images in ${box.innerHTML}`);
  return found[0] as HTMLImageElement;
}

/** Makes the element say what a browser's would once it has loaded or failed. */
export function become(image: HTMLImageElement, outcome: "loaded" | "error", file?: string): void {
  const natural = outcome === "loaded" ? 640 : 0;
  const as = (value: unknown): PropertyDescriptor => ({ value, configurable: true });
  Object.defineProperties(image, {
    complete: as(true),
    naturalWidth: as(natural),
    naturalHeight: as(natural * 0.75),
    currentSrc: as(file ?? image.src),
  });
}

/** The browser's event for what the element became. */
export async function settle(image: HTMLImageElement, outcome: "loaded" | "error", file?: string): Promise<void> {
  become(image, outcome, file);
  await acting(async () => void image.dispatchEvent(new Event(outcome === "loaded" ? "load" : "error")));
}

afterEach(async () => {
  for (const root of roots.splice(0)) await acting(async () => root.unmount());
  document.body.replaceChildren();
});
