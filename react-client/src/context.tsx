"use client";
import { createContext, useContext, useMemo, useState } from "react";
import type { Context, ReactElement, ReactNode } from "react";
import { createCore, type Core } from "./core.js";
import type { Config } from "./url/index.js";

const Bound: Context<Core | null> = createContext<Core | null>(null);

/** The configuration of a subtree: what is left out comes from the provider above. */
export type ImcaxyProviderProps = Partial<Config> & { children?: ReactNode };

/** Configures every `<Image>`, `<Picture>` and hook below it. May be nested: the inner one wins, key by key. */
export function ImcaxyProvider({ children, ...own }: ImcaxyProviderProps): ReactElement {
  const outer = useContext(Bound);
  // To change it later would download what is on the screen a second time.
  const [saveData] = useState(own.saveData);
  // A new object with the same content must not make every picture render again.
  const content = JSON.stringify({ ...own, saveData });
  const bound = useMemo(
    () => createCore({ ...outer?.config, ...JSON.parse(content) } as Config),
    [outer, content],
  );
  return <Bound.Provider value={bound}>{children}</Bound.Provider>;
}

/** The configured core: `url`, `urlAt`, `image`, `picture`. Throws where no provider is above. */
export function useImcaxy(): Core {
  const bound = useContext(Bound);
  if (!bound) throw new Error('Put <ImcaxyProvider baseUrl="…"> above this component.');
  return bound;
}
