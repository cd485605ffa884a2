"""Plain DFlash: predicts every place of a block independently through the target's frozen lm_head."""
