"""Any frame to sorted unique IDs, and IDs to upload bodies."""
