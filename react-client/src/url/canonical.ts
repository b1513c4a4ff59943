import { sourceParameter, type Values } from "./address.js";
import type { OperationName } from "./operations.js";

// Lines of "type operation name=value", the type followed by "true" with a palette, that change
// nothing: encoder options that the type has no use for, and what the operation presumes anyway. The
// server's tables are in imcaxy/grammar/operations.py.
const IDLE =
  /^(png|(tiff|gif|svg|pdf)\S*) \w+ quality|^(?!auto|png|u)\S+ \w+ (compression|palette)|^\S+ (\w+ (quality=75|compression=6|dpi=150|font=sans 10|(background|color)=0,0,0)|watermark opacity=0.25|\w+mage opacity=1)$/;

/** The parameters that matter, in the form in which the server writes them, sorted by name. */
export const canonicalValues = (operation: OperationName, params: Values): Values =>
  Object.fromEntries(
    Object.entries(params)
      .sort()
      .map(([name, value]) => [name, canonicalValue(name, value)] as const)
      .filter(
        ([name, value]) =>
          (value || (value === false && name == "nocrop")) && // the one flag that may be presumed
          !(name == "minampl" && params.sigma) &&
          !IDLE.test(`${params.type}${params.palette || ""} ${operation} ${name}=${value}`),
      ),
  );

const canonicalValue = (name: string, value: any): unknown =>
  name == "image"
    ? sourceParameter(value)[1]
    : name == "operations"
      ? JSON.stringify(value.map(canonicalStep)).replace(/,"params":{}/g, "")
      : (value?.join?.() ?? value);

const canonicalStep = ({ ignore_failure, operation, params }: Values): Values => ({
  ignore_failure: ignore_failure || undefined,
  operation,
  params: params && canonicalValues(operation as OperationName, params as Values),
});
