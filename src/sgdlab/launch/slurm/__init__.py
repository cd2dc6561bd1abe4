"""Workers as an array of Slurm jobs: what is submitted is written down first, and can be found again."""
