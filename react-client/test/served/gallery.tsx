import type { ReactElement } from "react";
import { Image, ImcaxyProvider } from "../../src/index.js";

export interface Gallery {
  baseUrl: string;
  version: string;
  /** Addresses of the originals; the first has priority. */
  sources: string[];
}

/** One picture of full width, and the others in a grid. */
export function gallery({ baseUrl, version, sources: [first = "", ...others] }: Gallery): ReactElement {
  return (
    <ImcaxyProvider baseUrl={baseUrl} version={version}>
      <Image src={first} alt="first" layout="fullWidth" aspectRatio={1.5} priority crossOrigin="anonymous" />
      <div className="grid">
        {others.map((src, place) => (
          <Image key={src} src={src} alt={`${place}`} width={600} height={400} placeholder={{ color: "#888" }} />
        ))}
      </div>
    </ImcaxyProvider>
  );
}
