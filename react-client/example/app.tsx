import { useState, type ReactElement } from "react";
import { Image, ImcaxyProvider, Picture } from "@imcaxy/react";
import { HERO, PHOTOGRAPHS, type Photograph } from "./photographs.js";

const CARD = { width: 480, height: 360 };

export function App(): ReactElement {
  const [version, setVersion] = useState(1);
  return (
    <ImcaxyProvider baseUrl="/imaginary" version={`${version}`}>
      <header>
        <Picture
          src={HERO.src}
          alt={HERO.alt}
          layout="fullWidth"
          aspectRatio={21 / 9}
          sourceWidth={HERO.width}
          priority
          placeholder={{ color: HERO.color }}
          sources={[{ media: "(max-width: 600px)", width: 400, height: 400 }]}
        />
        <div className="title page">
          <h1>Seven photographs</h1>
          <p>
            One <code>&lt;Image&gt;</code> each. The server makes the files that this screen needs, once.
          </p>
        </div>
      </header>
      <main className="page">
        <section className="grid" aria-label="Photographs">
          {PHOTOGRAPHS.map((photo) => (
            <Card key={photo.src} photo={photo} />
          ))}
          <Missing />
          <Portrait />
        </section>
      </main>
      <footer className="page">
        <p>
          These addresses carry <code>v={version}</code>. After an invalidation, a new one shows the new pictures at once.
        </p>
        <button type="button" onClick={() => setVersion(version + 1)}>
          Next version
        </button>
      </footer>
    </ImcaxyProvider>
  );
}

function Card({ photo }: { photo: Photograph }): ReactElement {
  const [facts, setFacts] = useState("…");
  return (
    <figure>
      <Image
        src={photo.src}
        alt={photo.alt}
        {...CARD}
        fit="smart"
        sourceWidth={photo.width}
        placeholder={{ color: photo.color }}
        onLoad={(event) => setFacts(factsOf(event.currentTarget))}
      />
      <figcaption>
        <b>{photo.title}</b>
        <span>{facts}</span>
      </figcaption>
    </figure>
  );
}

/** What the browser chose. */
function factsOf(image: HTMLImageElement): string {
  const asked = new URL(image.currentSrc).searchParams.get("width");
  const [entry] = performance.getEntriesByName(image.currentSrc) as PerformanceResourceTiming[];
  const size = entry?.encodedBodySize ? ` · ${Math.ceil(entry.encodedBodySize / 1024)} kB` : "";
  return `${asked} px for ${Math.round(image.clientWidth * devicePixelRatio)}${size}`;
}

function Missing(): ReactElement {
  return (
    <figure>
      <Image src="nobody-took-it.jpg" alt="" {...CARD} fallback={<span className="missing">no photograph</span>} />
      <figcaption>
        <b>An eighth</b>
        <span>a fallback in the same box</span>
      </figcaption>
    </figure>
  );
}

function Portrait(): ReactElement {
  return (
    <figure>
      <div className="portrait">
        <Image
          src="astronaut.jpg"
          alt="Portrait of Eileen Collins"
          layout="fixed"
          width={160}
          height={160}
          params={{ gravity: "north" }}
          formats={["avif", "webp"]}
        />
      </div>
      <figcaption>
        <b>A portrait</b>
        <span>fixed; AVIF, else WebP</span>
      </figcaption>
    </figure>
  );
}
