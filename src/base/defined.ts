/** Optional members, which the compiler wants left out rather than undefined (`exactOptionalPropertyTypes`). */

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The same members in the same order, without those that are undefined: `{ id, ...defined({ tools, tags }) }`. */
export function defined<T extends object>(members: T): Defined<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<T>;
}
