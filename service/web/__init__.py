"""What a browser is shown: the page at /, and the interface's document at /docs. It uses the routes as any other client does."""
