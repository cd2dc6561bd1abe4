"""What people look at: the report page, the terminal's progress view, the W&B export."""
