"""The service tower: HTTP lives here, and knows no dataset."""
