const LANES = 4; // fewer than a browser's six connections, so that no request waits inside the browser

const ACCEPT = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"; // as an <img> asks

const cards = [...document.querySelectorAll("figure[data-picture]")];
const button = document.querySelector("#again");
const totals = document.querySelector("#totals");

function size(bytes) {
  return bytes < 10_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${Math.round(bytes / 1000)} kB`;
}

function kind(status, header) {
  if (status !== 200) return ["fault", `${status}`];
  if (/;\s*hit\b/.test(header)) return ["hit", `hit · ${/detail=(\w+)/.exec(header)?.[1] ?? "kept"}`];
  return ["miss", /collapsed/.test(header) ? "miss · shared" : "miss · made"];
}

function show(card, name, text, header, facts) {
  const badge = card.querySelector(".badge");
  badge.className = `badge ${name}`;
  badge.textContent = text;
  card.querySelector(".status").textContent = header;
  card.querySelector(".facts").textContent = facts.join("\n");
}

async function picture(card, body) {
  const image = card.querySelector("img");
  const before = image.src;
  await new Promise((resolve, reject) => {
    image.onload = resolve;
    image.onerror = () => reject(new Error("the browser cannot show this picture"));
    image.src = URL.createObjectURL(body);
  });
  if (before) URL.revokeObjectURL(before);
  return `${image.naturalWidth} × ${image.naturalHeight}`;
}

async function load(card) {
  const began = performance.now();
  try {
    const answer = await fetch(card.dataset.picture, { cache: "no-store", headers: { Accept: ACCEPT } });
    const body = await answer.blob();
    const took = performance.now() - began;
    const header = answer.headers.get("Cache-Status") ?? "";
    const [name, text] = kind(answer.status, header);
    const made = answer.ok ? [await picture(card, body)] : [];
    const facts = [
      [...made, answer.headers.get("Content-Type")].join(" · "),
      [size(body.size), `${took.toFixed(0)} ms`].join(" · "),
    ];
    show(card, name, text, header ? `Cache-Status: ${header}` : await words(body), facts);
    return { name, bytes: body.size };
  } catch (error) {
    show(card, "fault", "failed", String(error), []);
    return { name: "fault", bytes: 0 };
  }
}

async function words(body) {
  try {
    const problem = JSON.parse(await body.text());
    return problem.detail ?? problem.message ?? "";
  } catch {
    return "";
  }
}

async function loadAll() {
  button.disabled = true;
  totals.textContent = "loading …";
  const waiting = [...cards];
  const ended = [];
  const began = performance.now();
  const lane = async () => {
    for (let card = waiting.shift(); card; card = waiting.shift()) ended.push(await load(card));
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const took = performance.now() - began;
  const count = (name) => ended.filter((one) => one.name === name).length;
  const bytes = ended.reduce((sum, one) => sum + one.bytes, 0);
  const parts = [`${ended.length} pictures`, `${count("hit")} hits`];
  if (count("miss")) parts.push(`${count("miss")} misses`);
  if (count("fault")) parts.push(`${count("fault")} failed`);
  totals.textContent = [...parts, size(bytes), `${took.toFixed(0)} ms`].join(", ");
  document.body.dataset.loads = Number(document.body.dataset.loads ?? 0) + 1;
  button.disabled = false;
}

if (button) {
  button.addEventListener("click", loadAll);
  await loadAll();
}
