"""Bring stored Twitter/X corpora back into line with what people chose."""
