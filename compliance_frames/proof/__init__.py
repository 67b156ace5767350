"""The independent check of a cleaned dataset."""
