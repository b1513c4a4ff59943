import { sourceParameter, type Values } from "./address.js";
import type { OperationName } from "./operations.js";

// What changes nothing, in lines of "type palette operation name=value" without the first space:
// encoder options that the type has no use for, and what the operation presumes anyway. The server's
// table is imcaxy/grammar/operations.py.
const IDLE =
  /^(png |(tiff|gif|svg|pdf)\S* )\w+ quality|^(?!auto|png|undef)\S+ \w+ (compr|palette)|^\S+ (\w+ (quality=75|compression=6|dpi=150|font=sans 10|(background|color)=0,0,0)|watermark opacity=0.25|\w+mage opacity=1)$/;

/** The parameters that matter, in the form in which the server writes them, sorted by name. */
export const canonicalValues = (operation: OperationName, params: Values): Values => {
  const values: Values = {};
  for (const name of Object.keys(params).sort()) {
    const value = canonicalValue(name, params[name]);
    const line = `${params.type}${params.palette || ""} ${operation} ${name}=${value}`;
    const given = value || (value === false && name == "nocrop"); // the one flag that may be presumed
    if (given && !IDLE.test(line) && !(name == "minampl" && params.sigma)) values[name] = value;
  }
  return values;
};

const canonicalValue = (name: string, value: any): unknown =>
  name == "image"
    ? sourceParameter(value)[1]
    : name == "operations"
      ? JSON.stringify(value.map(canonicalStep))
      : (value?.join?.() ?? value);

const canonicalStep = ({ ignore_failure, operation, params }: Values): Values => ({
  ignore_failure: ignore_failure || undefined,
  operation,
  params: params && canonicalValues(operation as OperationName, params as Values),
});
