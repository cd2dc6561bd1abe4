"""Results as pages that need no server: HTML, and Markdown with pictures."""
