/** Whether the steps of a plan agree on the settings that they share, along the way that the data takes. */
import { DraftsmithError, defined, formatLocation } from "../base/index.js";
import { agree, SETTING_RULES, type SettingName, type Statement, type Way } from "../stages/shared-settings.js";
import type { PlannedService, PlannedStep, PlanWarning } from "./plan-types.js";
import { findReferences } from "./references.js";
import type { Path, Source } from "./source.js";

export interface AgreementRequest {
  /** In an order in which every step comes after those it needs. */
  steps: readonly PlannedStep[];
  services: readonly PlannedService[];
  source: Source;
}

/** A statement and who makes it. */
interface Stated {
  owner: PlannedStep | PlannedService;
  statement: Statement;
}

const SETTINGS = Object.keys(SETTING_RULES) as SettingName[];

/**
 * Compares what each step says about a setting with what the nearest steps before it say.
 *
 * @returns disagreements that do not keep a run from starting
 * @throws DraftsmithError PIPELINE_INVALID at the later of two steps that disagree, naming the place of the other
 */
export async function checkAgreement(request: AgreementRequest): Promise<PlanWarning[]> {
  const warnings: PlanWarning[] = [];
  for (const setting of SETTINGS) {
    const { severity, betweenInputs } = SETTING_RULES[setting];
    const lineage = new Lineage(request, setting);
    for (const step of request.steps) {
      const before = lineage.before(step);
      const own = lineage.statedBy(step);
      const pairs = before.flatMap((earlier) => own.map((later) => [earlier, later] as const));
      if (betweenInputs) pairs.push(...pairsOf(before));
      for (const [earlier, later] of pairs) {
        if (await agree(earlier.statement, later.statement)) continue;
        const message = messageOf(earlier, later, request.source);
        if (severity === "refuse") throw refusal(message, earlier, later, request.source);
        warnings.push({ step: step.name, message: `${message} (${SETTING_RULES[setting].hint})` });
      }
    }
  }
  return warnings;
}

/** Who says something about one setting, and whose statements reach whom. */
class Lineage {
  private readonly request: AgreementRequest;
  private readonly setting: SettingName;
  private readonly nearest = new Map<string, readonly Stated[]>();

  constructor(request: AgreementRequest, setting: SettingName) {
    this.request = request;
    this.setting = setting;
  }

  statedBy(owner: PlannedStep | PlannedService): readonly Stated[] {
    const type = "stage" in owner ? owner.stage : owner.type;
    const statements = type.states?.(owner.options) ?? [];
    return statements.filter(({ setting }) => setting === this.setting).map((statement) => ({ owner, statement }));
  }

  /** The nearest statements on all ways that lead to a step; each once. */
  before(step: PlannedStep): readonly Stated[] {
    const { steps, services } = this.request;
    const unrelated: readonly string[] = step.stage.unrelatedInputs?.(step.options) ?? [];
    const inputs = Object.entries(step.inputs).flatMap(([name, input]) =>
      input.from === "step" && !unrelated.includes(name) ? [input.step] : [],
    );
    const makers = steps.filter(({ name }) => inputs.includes(name) || step.references.includes(name));
    const used = services.filter(({ name }) => step.services.includes(name));
    return distinct([
      ...makers.filter((maker) => this.leads(wayOf(maker))).flatMap((maker) => this.nearestTo(maker)),
      ...(this.leads("service") ? used.flatMap((service) => this.nearestToService(service)) : []),
    ]);
  }

  private leads(way: Way): boolean {
    return SETTING_RULES[this.setting].ways.includes(way);
  }

  /** Its own statements, else those that reach it. */
  private nearestTo(step: PlannedStep): readonly Stated[] {
    const known = this.nearest.get(step.name);
    if (known !== undefined) return known;
    const own = this.statedBy(step);
    const found = own.length > 0 ? own : this.before(step);
    this.nearest.set(step.name, found);
    return found;
  }

  /** A service speaks for itself, and for what it serves. */
  private nearestToService(service: PlannedService): readonly Stated[] {
    const served = this.request.steps.filter(({ name }) => service.references.includes(name));
    return [...this.statedBy(service), ...served.flatMap((step) => this.nearestTo(step))];
  }
}

function wayOf({ stage }: PlannedStep): Way {
  return stage.output === "draft" || stage.output === "checkpoints" ? "draft" : "data";
}

function distinct(stated: readonly Stated[]): Stated[] {
  return stated.filter(({ owner }, at) => stated.findIndex((other) => other.owner === owner) === at);
}

function pairsOf(stated: readonly Stated[]): (readonly [Stated, Stated])[] {
  return stated.flatMap((later, at) => stated.slice(0, at).map((earlier) => [earlier, later] as const));
}

function messageOf(earlier: Stated, later: Stated, source: Source): string {
  const { title } = SETTING_RULES[later.statement.setting];
  const [one, other] = [earlier, later].map(
    (stated) => `${stated.owner.name} (${placeOf(stated, source)}) ${stated.statement.says}`,
  );
  return `${earlier.owner.name} and ${later.owner.name} disagree about ${title}: ${one}, ${other}`;
}

function refusal(message: string, earlier: Stated, later: Stated, source: Source): DraftsmithError {
  const [first, second] = [later, earlier].map((stated) => source.error({ message, path: pathOf(stated) }));
  const frame = [
    first!.frame,
    ...variableLines(later, source),
    `${earlier.owner.name}, at ${formatLocation(second!.location ?? {})}:`,
    second!.frame,
    ...variableLines(earlier, source),
  ].filter((line) => line !== undefined);
  return new DraftsmithError("PIPELINE_INVALID", message, {
    ...defined({ location: first!.location }),
    frame: frame.join("\n"),
    hint: SETTING_RULES[later.statement.setting].hint,
  });
}

function pathOf({ owner, statement }: Stated): Path {
  return [...owner.path, "with", ...statement.option.split(".")];
}

function placeOf(stated: Stated, source: Source): string {
  const { location } = source.error({ message: "", path: pathOf(stated) });
  const { file, line, column, field } = location ?? {};
  return file === undefined ? (field ?? "") : [file, line, column].join(":");
}

/** Where the variables are set that an option takes its value from. */
function variableLines(stated: Stated, source: Source): string[] {
  const written = pathOf(stated).reduce<unknown>(
    (node, key) => (typeof node === "object" && node !== null ? Reflect.get(node, key) : node),
    source.value,
  );
  // The plan stands, so every reference in it is sound.
  const references = findReferences(written, [], (_place, message) => new Error(message));
  const names = new Set(references.flatMap(({ reference }) => (reference.kind === "vars" ? [reference.name] : [])));
  return [...names].map((name) => {
    const { location } = source.error({ message: "", path: ["variables", name] });
    return `\${vars.${name}} is set at ${formatLocation(location ?? {})}`;
  });
}
