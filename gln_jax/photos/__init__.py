"""From a photograph to restored faces: find, align, upsample, paste back."""
