/** Writes rows into rows-00000.arrow, rows-00001.arrow ..., each with a limited number of rows. */
import { join } from "node:path";
import { openRowsWriter, type RowsWriter, type TokenRow } from "../../artifacts/index.js";
import type { JsonObject } from "../../base/index.js";

export class RowFiles {
  private writer: RowsWriter | null = null;
  private files = 0;
  private inFile = 0;

  constructor(
    private readonly dir: string,
    private readonly metadata: JsonObject,
    private readonly rowsPerFile: number,
  ) {}

  async append(row: TokenRow): Promise<void> {
    if (this.writer !== null && this.inFile >= this.rowsPerFile) await this.close();
    if (this.writer === null) {
      const name = `rows-${String(this.files).padStart(5, "0")}.arrow`;
      this.writer = await openRowsWriter(join(this.dir, name), this.metadata);
      this.files += 1;
      this.inFile = 0;
    }
    await this.writer.append(row);
    this.inFile += 1;
  }

  async close(): Promise<void> {
    await this.writer?.close();
    this.writer = null;
  }

  async discard(): Promise<void> {
    await this.writer?.discard();
    this.writer = null;
  }
}
