// Bundlers drop all of this from a production build: see the one place where it is called.
import { useEffect } from "react";
import type { RefObject } from "react";
import type { PlainPictureProps } from "./element.js";
import type { Attributes } from "./attributes/index.js";
import { WIDTHS } from "./url/ladder.js";

const MOST_PRIORITIES = 2;
const LARGEST_WASTE = 2; // times the width in device pixels
const LARGEST_DISTORTION = 0.02;
const CALM = 2000; // milliseconds without a larger picture until the largest one counts

const said = new Set<string>();
const priorities = new Set<HTMLImageElement>();
let largest: Element | null | undefined;
let observing = false;
let calm: ReturnType<typeof setTimeout> | undefined;

function warn(src: string, sentence: string): void {
  const message = `imcaxy: ${src}: ${sentence}`;
  if (!said.has(message)) console.warn(message);
  said.add(message);
}

/** Says in the console, once for each picture, what makes a page slow or crooked. */
export function useWarnings(
  element: RefObject<HTMLImageElement | null>,
  props: PlainPictureProps,
  core: Attributes,
  loaded: boolean,
): void {
  const { src, priority, unstyled } = props;
  useEffect(() => {
    const image = element.current;
    if (!image || !priority) return;
    priorities.add(image);
    if (priorities.size > MOST_PRIORITIES)
      warn(src, `${priorities.size} pictures have priority; they delay each other. Keep it for the largest one.`);
    return () => void priorities.delete(image);
  }, [element, priority, src]);
  useEffect(() => {
    const widest = (core.config.widths ?? WIDTHS).at(-1) ?? 0;
    if (typeof props.width === "number" && props.width > widest)
      warn(src, `width ${props.width} is above the ladder; files end at ${widest} pixels.`);
  }, [core, props.width, src]);
  useEffect(() => {
    const image = element.current;
    if (!image || !loaded) return;
    if (image.clientWidth && !unstyled && !getComputedStyle(image).getPropertyValue("--imcaxy"))
      warn("styles", 'the style sheet is missing: import "@imcaxy/react/styles.css".');
    misshapen(image, props);
    wasteful(image, src);
    return lateLargest(image, props);
  });
}

/** Compares the box of the attributes, or those of the case of art direction, with the picture that came. */
function misshapen(image: HTMLImageElement, { src, fit, sourceWidth }: PlainPictureProps): void {
  if (fit === "contain" || sourceWidth) return;
  const cases = image.closest("picture")?.querySelectorAll("source") ?? [];
  const sized = [...cases].find(({ media }) => matchMedia(media || "all").matches) ?? image;
  const [width, height] = [sized.getAttribute("width"), sized.getAttribute("height")].map(Number);
  if (!width || !height || !image.naturalHeight) return;
  const natural = image.naturalWidth / image.naturalHeight;
  if (Math.abs(width / height / natural - 1) > LARGEST_DISTORTION)
    warn(
      src,
      `the box is ${width} × ${height}, the picture ${image.naturalWidth} × ${image.naturalHeight}. If its source is small, set \`sourceWidth\`.`,
    );
}

/** Compares the file that the browser chose with the device pixels that it covers. */
function wasteful(image: HTMLImageElement, src: string): void {
  // naturalWidth is divided by the density of the candidate, so the address has to say it.
  const width = Number(/[?&]width=(\d+)/.exec(image.currentSrc)?.[1]);
  const shown = image.clientWidth * devicePixelRatio;
  if (shown && width > LARGEST_WASTE * shown)
    warn(src, `${width} pixels were loaded for a width of ${Math.round(shown)}; set \`sizes\` or a smaller \`width\`.`);
}

/** Watches for a picture that counts as the largest of the page and was not asked for at once. */
function lateLargest(image: HTMLImageElement, { src, priority, loading }: PlainPictureProps): (() => void) | undefined {
  if (priority || loading === "eager") return;
  const look = (): void => {
    if (largest === image)
      warn(src, "this is the largest picture at the top of the page and loads late; give it `priority`.");
  };
  if (!observing && typeof PerformanceObserver !== "undefined") {
    observing = true;
    new PerformanceObserver((list) => {
      const entry = list.getEntries().at(-1) as (PerformanceEntry & { element?: Element }) | undefined;
      clearTimeout(calm);
      calm = setTimeout(() => {
        largest = entry?.element;
        dispatchEvent(new Event("imcaxy-largest"));
      }, CALM);
    }).observe({ type: "largest-contentful-paint", buffered: true });
  }
  look();
  addEventListener("imcaxy-largest", look);
  return () => removeEventListener("imcaxy-largest", look);
}
