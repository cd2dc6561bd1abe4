"""A private, real Slurm on one machine, to test and to measure against; nothing of it stays behind."""

from slurm_cluster.client import AccountedJob, Client, QueuedJob
from slurm_cluster.cluster import Cluster
from slurm_cluster.configuration import ClusterOptions
from slurm_cluster.installed import why_not

__all__ = ["AccountedJob", "Client", "Cluster", "ClusterOptions", "QueuedJob", "why_not"]
