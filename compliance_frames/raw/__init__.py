"""Raw files as people collected them: lines of JSON or CSV, packed or not, read to the byte."""
