import { DraftsmithError } from "../base/index.js";

/** Reads a flag's text as a whole number between two bounds. yargs itself turns `abc` into NaN without an error. */
export function wholeNumber(flag: string, least: number, most = Number.MAX_SAFE_INTEGER) {
  return (text: string | undefined): number | undefined => {
    if (text === undefined) return undefined;
    const number = Number(text);
    if (/^(0|[1-9]\d*)$/.test(text) && number >= least && number <= most) return number;
    const bounds = most === Number.MAX_SAFE_INTEGER ? `above ${least - 1}` : `from ${least} to ${most}`;
    throw new DraftsmithError("USAGE", `${flag} ${text} is not a whole number ${bounds}`);
  };
}
