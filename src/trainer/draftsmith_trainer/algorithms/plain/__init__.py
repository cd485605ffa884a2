"""Plain DFlash: every place of a block is read off the target's frozen lm_head on its own."""
