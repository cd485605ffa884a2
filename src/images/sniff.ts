/** What a picture file is, from its first bytes. Names and declared types are not believed. */

export type ImageFormat = "png" | "jpeg" | "webp" | "gif" | "tiff" | "avif";

const ascii = (bytes: Uint8Array, from: number, text: string) =>
  bytes.length >= from + text.length && [...text].every((char, k) => bytes[from + k] === char.charCodeAt(0));

/** Brands of AVIF stills and sequences, the main one or a compatible one; other ISO media (HEIC, MP4) are refused. */
const AVIF_BRANDS = ["avif", "avis"];

/** The format, or undefined for anything that is not on the list: SVG, PDF, HTML, HEIC, an empty file. */
export function sniffFormat(bytes: Uint8Array): ImageFormat | undefined {
  if (ascii(bytes, 0, "\x89PNG\r\n\x1a\n")) return "png";
  if (ascii(bytes, 0, "\xff\xd8\xff")) return "jpeg";
  if (ascii(bytes, 0, "GIF87a") || ascii(bytes, 0, "GIF89a")) return "gif";
  if (ascii(bytes, 0, "RIFF") && ascii(bytes, 8, "WEBP")) return "webp";
  if (ascii(bytes, 0, "II*\0") || ascii(bytes, 0, "MM\0*")) return "tiff";
  if (ascii(bytes, 4, "ftyp") && brandsOf(bytes).some((brand) => AVIF_BRANDS.includes(brand))) return "avif";
  return undefined;
}

/** Far more than any file lists: the length is the file's own claim. */
const MOST_BRANDS = 64;

/** Major and compatible brands of an ISO media file (ISO/IEC 14496-12, 4.3), which begins with a box of them. */
function brandsOf(bytes: Uint8Array): string[] {
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
  const end = Math.min(size, bytes.length, 8 + 4 * MOST_BRANDS);
  const brands: string[] = [];
  for (let at = 8; at + 4 <= end; at += 4) {
    // Behind the major brand stands its version.
    if (at !== 12) brands.push(String.fromCharCode(...bytes.subarray(at, at + 4)));
  }
  return brands;
}
