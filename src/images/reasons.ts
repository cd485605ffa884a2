/** Why a picture is not taken: stable codes that end up in counts and in rejected.jsonl. */
export const IMAGE_REASONS = {
  "image-reference-invalid": "what the row names is no path, data URI or address",
  "image-remote-refused": "a remote address that the import's options do not allow",
  "image-remote-status": "an allowed server answered that it has no such image, or does not give it",
  "image-remote-unreachable": "an allowed server gave no answer after all attempts",
  "image-missing": "the file does not exist or cannot be read",
  "image-outside-root": "the path leads out of the declared image roots",
  "image-not-a-file": "the path names a directory, a pipe or a device",
  "image-too-many-bytes": "the file is larger than the limit",
  "image-data-uri-invalid": "the data URI is not base64 of something",
  "image-format-refused": "the content is none of PNG, JPEG, WebP, GIF, TIFF, AVIF; the file's name does not count",
  "image-too-many-pixels": "width times height is above the limit",
  "image-too-elongated": "one side is too many times the other",
  "image-too-slow": "decoding took longer than the limit",
  "image-corrupt": "the file is cut short or damaged",
} as const;

export type ImageReason = keyof typeof IMAGE_REASONS;

export interface ImageProblem {
  reason: ImageReason;
  message: string;
}

export type ImageResult<T> = ({ ok: true } & T) | ({ ok: false } & ImageProblem);

export function refuse(reason: ImageReason, message: string): { ok: false } & ImageProblem {
  return { ok: false, reason, message };
}
