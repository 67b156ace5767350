"""The corpus tower: datasets live here, and it knows no HTTP."""
