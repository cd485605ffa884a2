/** The graph of steps: order, cycles, what lies before and after a step. */

export interface GraphNode {
  name: string;
  after: readonly string[];
}

/** A cycle as the names along it, first one repeated at the end. */
export class CycleError extends Error {
  readonly cycle: readonly string[];

  constructor(cycle: readonly string[]) {
    super(`steps need each other: ${cycle.join(" -> ")}`);
    this.cycle = cycle;
  }
}

/** Every node after those it needs, otherwise in the given order. @throws CycleError */
export function topologicalOrder(nodes: readonly GraphNode[]): string[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const done = new Set<string>();
  const trail: string[] = [];
  const order: string[] = [];
  const visit = (name: string): void => {
    if (done.has(name)) return;
    const at = trail.indexOf(name);
    if (at >= 0) throw new CycleError([...trail.slice(at), name]);
    trail.push(name);
    for (const needed of byName.get(name)?.after ?? []) visit(needed);
    trail.pop();
    done.add(name);
    order.push(name);
  };
  for (const node of nodes) visit(node.name);
  return order;
}

/** These nodes and all that they need, directly or not. */
export function withAncestors(nodes: readonly GraphNode[], names: Iterable<string>): Set<string> {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  return closure(names, (name) => byName.get(name)?.after ?? []);
}

/** These nodes and all that need them, directly or not. */
export function withDescendants(nodes: readonly GraphNode[], names: Iterable<string>): Set<string> {
  return closure(names, (name) => nodes.filter((node) => node.after.includes(name)).map((node) => node.name));
}

function closure(start: Iterable<string>, next: (name: string) => readonly string[]): Set<string> {
  const found = new Set<string>();
  const queue = [...start];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    queue.push(...next(name));
  }
  return found;
}
