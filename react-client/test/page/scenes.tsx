import type { ReactElement } from "react";
import { Image, ImcaxyProvider, Picture } from "../../src/index.js";

const CAT = { src: "cat.png", alt: "A cat", width: 800, height: 600 };
const MISSING = { ...CAT, src: "missing.png" };

const SCENES: Record<string, ReactElement> = {
  constrained: <Image {...CAT} priority />,
  fullWidth: <Image src="cat.png" alt="" layout="fullWidth" aspectRatio={2} priority />,
  fixed: <Image {...CAT} layout="fixed" width={300} height={200} />,
  column: (
    <div className="column">
      <Image {...CAT} />
    </div>
  ),
  lateral: (
    <div className="column">
      <Image src="cat.png" alt="" layout="fullWidth" aspectRatio={2} />
    </div>
  ),
  fill: (
    <div className="tall">
      <Image src="cat.png" alt="" layout="fill" />
    </div>
  ),
  picture: (
    <Picture
      {...CAT}
      priority
      formats={["webp"]}
      sources={[{ media: "(max-width: 600px)", src: "face.png", width: 400, height: 400 }]}
    />
  ),
  // The server does not enlarge: these come as 300 × 100.
  small: (
    <>
      <Image {...CAT} src="small.png" priority />
      <Image {...CAT} src="small.png" loading="eager" fit="contain" />
      <Image src="small.png" alt="" loading="eager" layout="fullWidth" aspectRatio={4} />
      <p>below</p>
    </>
  ),
  grid: (
    <div className="grid">
      <Picture {...CAT} formats={["avif", "webp"]} loading="eager" />
    </div>
  ),
  far: (
    <>
      <div className="far" />
      <Image {...CAT} />
    </>
  ),
  broken: (
    <div className="column">
      <Image {...MISSING} loading="eager" />
      <Image {...MISSING} alt="" loading="eager" />
    </div>
  ),
  replaced: (
    <div className="column">
      <Image {...MISSING} loading="eager" fallback="/imaginary/none?width=90&height=30" />
      <p>below</p>
    </div>
  ),
  node: (
    <div className="column">
      <Image {...MISSING} loading="eager" fallback={<b id="instead">No picture</b>} />
      <p>below</p>
    </div>
  ),
  waiting: (
    <div className="column">
      <Image {...CAT} src="slow.png" loading="eager" placeholder="tiny" />
      <Image {...CAT} src="slow.png" loading="eager" placeholder={{ color: "rgb(200 10 10)" }} />
      <Image {...CAT} src="slow.png" layout="fixed" width={200} height={100} placeholder={{ color: "red" }} />
    </div>
  ),
  many: (
    <>
      {Array.from({ length: 12 }, (_, place) => (
        <section key={place}>
          <p>Text above picture {place}</p>
          <Image {...CAT} src={`${place}.png`} priority={place === 0} placeholder={place % 2 ? "tiny" : "none"} />
        </section>
      ))}
      <Image src="wide.png" alt="" layout="fullWidth" aspectRatio={3} />
      <p>the end</p>
    </>
  ),
};

export function scene(name: string): ReactElement {
  return <ImcaxyProvider baseUrl="/imaginary">{SCENES[name]}</ImcaxyProvider>;
}
