"""From a sweep file to a frozen plan: the file's schema, its grids, the plan, the packs."""
