"""The pages, each from what is known to what is shown; nothing here asks the store or the clock."""
