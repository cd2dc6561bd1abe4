"""What a command undertakes: runs trained here or on a cluster, watched, tracked, extended round by round."""
