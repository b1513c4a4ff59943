import captions from "../../samples/captions.json";

export interface Photograph {
  src: keyof typeof captions;
  alt: string;
  title: string;
  /** Pixels of the original: no file is offered beyond its width, and the box has its shape. */
  width: number;
  height: number;
  color: string;
}

const of = (src: keyof typeof captions, title: string, width: number, height: number, color: string): Photograph => ({
  src,
  alt: captions[src],
  title,
  width,
  height,
  color,
});

export const PHOTOGRAPHS: readonly Photograph[] = [
  of("rocket.jpg", "Before DSCOVR", 640, 427, "#33465c"),
  of("coffee.jpg", "Espresso", 600, 400, "#7a4a2c"),
  of("astronaut.jpg", "Eileen Collins", 512, 512, "#8a7f78"),
  of("chelsea.png", "Chelsea", 451, 300, "#9a7a5d"),
  of("retina.jpg", "A left eye", 1411, 1411, "#a8431c"),
  of("camera.jpg", "On the lawn", 512, 512, "#8d8d8d"),
];

export const HERO: Photograph = of("hubble.jpg", "eXtreme Deep Field", 1000, 872, "#0b0b10");
