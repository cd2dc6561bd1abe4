"""What the question mark shows."""

HELP = """\
Sweeps are above. Below, by the numbers 1 to 5: workers, failures, GPUs of
this machine, Slurm jobs, and the runs that ended lately.

  tab, shift+tab   from one table to the other
  arrows, pages    the cursor
  enter            what is behind the row: the runs of a sweep, the text of
                   a failure, the end of a log
  r                have the runs of the selected failure trained again
  c                cancel the Slurm jobs of the selected sweep, or the jobs
                   that are selected below
  u                look at everything now
  q, ctrl+c        leave; what trains goes on

  r and c ask first.

  progress  updates made, of all that the runs take; a run that has
            diverged counts as whole
  now       runs that a worker trains at this moment
  bad       runs that failed, and runs whose files are damaged
  upd/s     parameter updates a second in the last minute, as workers say
  left      time left at that pace
  heard     when the worker's heartbeat was last seen to move: after three
            minutes its runs are unknown

Run folders are looked at once a minute, workers, journals and failures
every two seconds. Slurm is asked once in ten seconds at most.
"""
