/** What a picture file is, from its first bytes. Names and declared types are not believed. */

export type ImageFormat = "png" | "jpeg" | "webp" | "gif" | "tiff" | "avif";

const ascii = (bytes: Uint8Array, from: number, text: string) =>
  bytes.length >= from + text.length && [...text].every((char, k) => bytes[from + k] === char.charCodeAt(0));

/** Brands of AVIF stills and sequences; other ISO media (HEIC, MP4) are refused. */
const AVIF_BRANDS = ["avif", "avis"];

/** The format, or undefined for anything that is not on the list: SVG, PDF, HTML, HEIC, an empty file. */
export function sniffFormat(bytes: Uint8Array): ImageFormat | undefined {
  if (ascii(bytes, 0, "\x89PNG\r\n\x1a\n")) return "png";
  if (ascii(bytes, 0, "\xff\xd8\xff")) return "jpeg";
  if (ascii(bytes, 0, "GIF87a") || ascii(bytes, 0, "GIF89a")) return "gif";
  if (ascii(bytes, 0, "RIFF") && ascii(bytes, 8, "WEBP")) return "webp";
  if (ascii(bytes, 0, "II*\0") || ascii(bytes, 0, "MM\0*")) return "tiff";
  if (ascii(bytes, 4, "ftyp") && AVIF_BRANDS.some((brand) => ascii(bytes, 8, brand))) return "avif";
  return undefined;
}
