/**
 * The widths, in pixels, that components ask for, in rising order.
 *
 * The server's `IMCAXY_WIDTHS=ladder` allows the same ones: golden/ladder.json holds both to it.
 */
export const WIDTHS: readonly number[] = [
  64, 96, 128, 160, 192, 256, 320, 384, 480, 640, 750, 828, 960, 1080, 1280, 1536, 1920, 2560, 3200,
  3840,
];
