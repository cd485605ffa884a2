/** Structural tokens of Qwen chats, as templates write them. */
export const SPECIAL_TEXT = {
  imagePad: "<|image_pad|>",
  videoPad: "<|video_pad|>",
  visionStart: "<|vision_start|>",
  visionEnd: "<|vision_end|>",
  imStart: "<|im_start|>",
  imEnd: "<|im_end|>",
} as const;
