/** Server settings that change answers without any sign of it. Each can be allowed by name. */
import type { JsonValue } from "../base/index.js";
import type { ServerIdentity } from "./identity.js";

export interface Risk {
  /** What to put into `allowSettings` to accept it. */
  name: string;
  value: JsonValue;
  why: string;
}

interface RiskRule {
  name: string;
  why: string;
  risky(value: JsonValue): boolean;
}

const isFilled = (value: JsonValue): boolean =>
  !(value === null || value === false || value === "" || value === "{}" || JSON.stringify(value) === "{}");
const isOn = (value: JsonValue): boolean => value === true;
const isBelowOne = (value: JsonValue): boolean => typeof value === "number" && value < 1;

const RULES: readonly RiskRule[] = [
  { name: "preferred_sampling_params", why: "the server sets sampling fields by itself", risky: isFilled },
  { name: "default_chat_template_kwargs", why: "template arguments that no request shows", risky: isFilled },
  { name: "allow_auto_truncate", why: "prompts that are too long are truncated silently", risky: isOn },
  { name: "mm_process_config", why: "pictures are resized by other rules than the checkpoint's", risky: isFilled },
  { name: "json_model_override_args", why: "the model's configuration is overridden", risky: isFilled },
  { name: "enable_watermark", why: "a watermark changes which token is chosen", risky: isOn },
  { name: "watermark_default_enabled", why: "a watermark changes which token is chosen", risky: isOn },
  { name: "watermark_enforce_all", why: "a watermark changes which token is chosen", risky: isOn },
  { name: "load_format", why: "the weights are random", risky: (value) => value === "dummy" },
  { name: "speculative_accept_threshold_single", why: "draft tokens are accepted without proof", risky: isBelowOne },
  { name: "speculative_accept_threshold_acc", why: "draft tokens are accepted without proof", risky: isBelowOne },
];

/** Name to allow for servers that do not tell their settings. */
export const UNKNOWN_SETTINGS = "unknown-settings";

/** Every name that `allowSettings` understands. */
export const RISK_NAMES: readonly string[] = [...RULES.map((rule) => rule.name), UNKNOWN_SETTINGS];

export function findRisks(identity: ServerIdentity): Risk[] {
  const { settings } = identity;
  if (settings === undefined) {
    return [{ name: UNKNOWN_SETTINGS, value: null, why: "the server does not tell its settings (/server_info)" }];
  }
  const risks: Risk[] = [];
  for (const { name, why, risky } of RULES) {
    const value = settings[name];
    if (value !== undefined && risky(value)) risks.push({ name, value, why });
  }
  return risks;
}
