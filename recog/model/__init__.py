"""Model folders: their configs, and running their networks."""
