"""WAV files: noise on their samples; all other bytes are kept."""
