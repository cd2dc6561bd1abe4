"""Many runs on one device: together in one process, or a process each."""
