// Checked by `npm run types`, never run: each line after @ts-expect-error must be refused.
import type { ReactElement } from "react";
import { Image, Picture } from "../../src/index.js";
import { createImage } from "../../src/server.js";

const { Image: Plain } = createImage({ baseUrl: "/imaginary" });

export const accepted: ReactElement[] = [
  <Image src="a" alt="" width={1} height={1} />,
  <Image src="a" alt="" width={1} aspectRatio={1.5} />,
  <Image src="a" alt="" layout="fixed" height={1} aspectRatio={1.5} />,
  <Image src="a" alt="" layout="fullWidth" aspectRatio={2} />,
  <Image src="a" alt="" layout="fill" className="c" onClick={() => undefined} data-x="1" />,
  <Image src="a" alt="" width={1} height={1} placeholder={{ color: "red" }} fallback={<b />} />,
  <Image src="a" alt="" width={1} height={1} ref={(image: HTMLImageElement | null) => void image} />,
  <Picture src="a" alt="" width={1} height={1} sources={[{ media: "print", width: 1, height: 2 }]} />,
  <Plain src="a" alt="" width={1} height={1} formats={["avif", "webp"]} />,
];

export const refused: ReactElement[] = [
  // @ts-expect-error alt is missing
  <Image src="a" width={1} height={1} />,
  // @ts-expect-error src is missing
  <Image alt="" width={1} height={1} />,
  // @ts-expect-error no side of the box
  <Image src="a" alt="" />,
  // @ts-expect-error three of two
  <Image src="a" alt="" width={1} height={1} aspectRatio={1} />,
  // @ts-expect-error what fills has no size of its own
  <Image src="a" alt="" layout="fill" width={1} height={1} />,
  // @ts-expect-error full width has none either
  <Image src="a" alt="" layout="fullWidth" width={1} />,
  // @ts-expect-error computed
  <Image src="a" alt="" width={1} height={1} srcSet="a 1w" />,
  // @ts-expect-error a misspelt layout
  <Image src="a" alt="" layout="constraint" width={1} height={1} />,
  // @ts-expect-error sizes of files come from the box
  <Image src="a" alt="" width={1} height={1} params={{ width: 1 }} />,
  // @ts-expect-error a misspelt parameter
  <Image src="a" alt="" width={1} height={1} params={{ backgroud: [0, 0, 0] }} />,
  // @ts-expect-error art direction belongs to <Picture>
  <Image src="a" alt="" width={1} height={1} sources={[]} />,
  // @ts-expect-error no size
  <Picture src="a" alt="" width={1} height={1} sources={[{ media: "print" }]} />,
  // @ts-expect-error it cannot be taken away without a script
  <Plain src="a" alt="" width={1} height={1} placeholder="tiny" />,
  // @ts-expect-error an error is seen by a script only
  <Plain src="a" alt="" width={1} height={1} fallback="/none.svg" />,
];
