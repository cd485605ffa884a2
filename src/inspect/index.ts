export { type InspectRequest, inspect } from "./inspect.js";
