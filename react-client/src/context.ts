"use client";
import { createContext, createElement, useContext, useMemo, useState } from "react";
import type { Context, ReactElement, ReactNode } from "react";
import { createAttributes, type Attributes } from "./attributes/index.js";
import type { Config } from "./url/index.js";

const Bound: Context<Attributes | null> = createContext<Attributes | null>(null);

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
    () => createAttributes({ ...outer?.config, ...JSON.parse(content) } as Config),
    [outer, content],
  );
  return createElement(Bound.Provider, { value: bound }, children);
}

/** The configured core: `config`, `urlAt`, `image`, `picture`. Throws where no provider is above. */
export function useImcaxy(): Attributes {
  const bound = useContext(Bound);
  if (!bound) throw new Error("imcaxy: put <ImcaxyProvider> above this.");
  return bound;
}
