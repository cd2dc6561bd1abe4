"""Workers: what they do, and how they are started on this machine."""
