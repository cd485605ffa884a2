/** Every type of service by name. */
import { external } from "./external.js";
import { referenceServer } from "./reference-server.js";
import type { ServiceType } from "./service.js";

export type ServiceRegistry = Readonly<Record<string, ServiceType>>;

export const SERVICE_TYPES: ServiceRegistry = {
  "reference-server": referenceServer,
  external,
};
