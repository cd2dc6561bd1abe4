"""The store: run folders, attempts, claims, journals, and the index over them. `docs/store.md` draws it."""
