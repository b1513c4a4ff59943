// Compiled, never run: what the types let pass and what they refuse.
import { createAttributes } from "../../src/attributes/index.js";
import { createImcaxy } from "../../src/url/index.js";

const { url } = createImcaxy({ baseUrl: "https://img.example/imaginary" });
const { image, picture } = createAttributes({ baseUrl: "https://img.example/imaginary" });
const SRC = "https://origin.example/a.jpg";

url(SRC, "info", {});
url(SRC, "resize", { width: 300 });
url(SRC, "resize", { height: 300, type: "auto", nocrop: false });
url(SRC, "fit", { width: 300, height: 200 });
url(SRC, "zoom", { factor: 2 });
url(SRC, "zoom", { factor: 2, top: 0, areawidth: 100 });
url(SRC, "blur", { minampl: 0.5 });
url(SRC, "watermark", { text: "©", color: [255, 0, 0] });
url(SRC, "pipeline", {
  operations: [
    { operation: "autorotate" },
    { operation: "crop", params: { width: 300, height: 200 } },
    { operation: "watermarkImage", params: { image: SRC }, ignore_failure: true },
  ],
});

// @ts-expect-error one side is needed
url(SRC, "resize", {});
// @ts-expect-error both sides are needed
url(SRC, "fit", { width: 300 });
// @ts-expect-error the area is needed
url(SRC, "extract", { width: 300 });
// @ts-expect-error the area has no size
url(SRC, "zoom", { factor: 2, top: 0 });
// @ts-expect-error misspelt
url(SRC, "resize", { width: 300, heigth: 200 });
// @ts-expect-error not a right angle
url(SRC, "rotate", { rotate: 45 });
// @ts-expect-error jpeg is its one name
url(SRC, "convert", { type: "jpg" });
// @ts-expect-error fit has no embed
url(SRC, "fit", { width: 300, height: 200, embed: true });
// @ts-expect-error smartcrop chooses its gravity
url(SRC, "smartcrop", { width: 300, gravity: "north" });
// @ts-expect-error what is presumed is not written
url(SRC, "resize", { width: 300, nocrop: true });
// @ts-expect-error a colour has three parts
url(SRC, "crop", { width: 300, background: [0, 0] });
// @ts-expect-error no such operation
url(SRC, "sharpen", {});
// @ts-expect-error a pipeline has steps
url(SRC, "pipeline", { operations: [] });
// @ts-expect-error in a pipeline it is watermarkImage
url(SRC, "pipeline", { operations: [{ operation: "watermarkimage", params: { image: SRC } }] });
// @ts-expect-error a step needs what its operation needs
url(SRC, "pipeline", { operations: [{ operation: "crop", params: {} }] });
// @ts-expect-error a step has no negotiated type
url(SRC, "pipeline", { operations: [{ operation: "crop", params: { width: 9, type: "auto" } }] });

image({ src: SRC, width: 300 });
image({ src: SRC, width: 300, aspectRatio: 1.5 });
image({ src: SRC, layout: "fullWidth", aspectRatio: 1.5 });
image({ src: SRC, layout: "fill" }).srcSet satisfies string | undefined;
image({ src: SRC, width: 300, alt: "a cat" }).alt satisfies string;
picture({ src: SRC, width: 300, formats: ["avif"], sources: [{ media: "print", width: 9, height: 9 }] });

// @ts-expect-error the box has no size
image({ src: SRC });
// @ts-expect-error one of the three follows from the others
image({ src: SRC, width: 300, height: 200, aspectRatio: 1.5 });
// @ts-expect-error fullWidth is as wide as its column
image({ src: SRC, layout: "fullWidth", width: 300 });
// @ts-expect-error the width is the component's to choose
image({ src: SRC, width: 300, params: { width: 200 } });
// @ts-expect-error <source type> needs a type that has one name
picture({ src: SRC, width: 300, formats: ["svg"] });
