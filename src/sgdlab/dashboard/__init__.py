"""The local dashboard: a web page over the run store, live while sweeps run. It changes nothing."""
